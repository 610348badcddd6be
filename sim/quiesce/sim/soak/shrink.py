"""Makes a failing case smaller: fewer layers, images and channels, black inputs, an ideal memory."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from quiesce.sim.flow import RunOptions
from quiesce.sim.soak.case import SoakCase
from quiesce.sw import reference
from quiesce.sw.format.layer import Layer, MapSpec
from quiesce.sw.format.network import INPUT, Network

__all__ = ["shrink"]


def _with_layers(case: SoakCase, layers: list[Layer], output: str) -> SoakCase | None:
    """The case with these layers, as far as the output depends on them."""
    needed = {output}
    for layer in reversed(layers):
        needed.update(layer.inputs if layer.name in needed else ())
    kept = tuple(replace(layer, winners=0) if layer.name == output else layer for layer in layers if layer.name in needed)
    return replace(case, network=replace(case.network, layers=kept, output=output)) if kept else None


def _shorter(case: SoakCase) -> Iterator[SoakCase | None]:
    """Without the last layers, without the first, without one in the middle."""
    layers = list(case.network.layers)
    for index, layer in enumerate(layers[:-1]):
        yield _with_layers(case, layers[: index + 1], layer.name)
    for layer in reversed(layers[:-1]):
        yield _from(case, layer)
    shapes = case.network.shapes()
    for layer in layers[:-1]:
        if shapes[layer.inputs[0]] == shapes[layer.name]:
            names = {layer.name: layer.inputs[0]}
            rest = [
                replace(other, inputs=tuple(names.get(name, name) for name in other.inputs)) for other in layers if other != layer
            ]
            yield _with_layers(case, rest, case.network.output)


def _from(case: SoakCase, layer: Layer) -> SoakCase | None:
    """The case with the map of a layer as its input, if nothing else is needed from before."""
    rest = [
        replace(other, inputs=tuple(INPUT if name == layer.name else name for name in other.inputs))
        for other in case.network.layers if other.name != layer.name
    ]  # fmt: skip
    needed = {case.network.output}
    for other in reversed(rest):
        needed.update(other.inputs if other.name in needed else ())
    if any(INPUT in other.inputs and other.name in needed for other in case.network.layers):
        return None
    rows, cols, chans = case.network.shapes()[layer.name]
    spec = MapSpec(height=rows, width=cols, chans=chans, scale=1.0, low=layer.low, high=layer.high, bits=layer.bits)
    kept = tuple(other for other in rest if other.name in needed)
    acts = reference.run(case.network, case.inputs).activations[layer.name]
    return replace(case, network=Network(name="random", input=spec, layers=kept, output=case.network.output), inputs=acts)


def _narrower(case: SoakCase) -> Iterator[SoakCase]:
    """With half of the channels of the output, or one less."""
    *before, last = case.network.layers
    if last.op.weighted and last.groups == 1:
        assert last.weight is not None and last.bias is not None
        for count in {last.cout // 2, last.cout - 1} - {0}:
            cut = {name: getattr(last, name)[:count] for name in ("weight", "bias", "multiplier", "shift")}
            yield replace(case, network=replace(case.network, layers=(*before, replace(last, **cut))))


def _blacker(case: SoakCase) -> Iterator[SoakCase]:
    """With one image of several, and with black parts of the inputs."""
    n, rows, cols, chans = case.inputs.shape
    if n > 1:
        for first, last in ((0, n // 2), (n // 2, n), (0, n - 1)):
            yield replace(case, inputs=case.inputs[first:last])
    for axis, size in ((1, rows), (2, cols), (3, chans)):
        for first, last in ((0, size // 2), (size // 2, size)):
            acts = np.moveaxis(case.inputs.copy(), axis, 0)
            acts[first:last] = 0
            acts = np.moveaxis(acts, 0, axis)
            if (acts != case.inputs).any():
                yield replace(case, inputs=acts)


def _plainer(case: SoakCase) -> Iterator[SoakCase]:
    """Run in a simpler way: nothing counted, no calibration, whole program, zeros skipped, an ideal memory."""
    options, plain = case.options, RunOptions()
    if options.energy:
        yield replace(case, options=replace(options, energy=False, simulator="loop"))
    if case.calibration is not None:
        yield replace(case, calibration=None)
    if options.cold:
        yield replace(case, options=replace(options, cold=False))
    if options.dense:
        yield replace(case, options=replace(options, dense=False))
    for name in ("stall", "gap", "latency", "seed"):
        value = getattr(plain.bus, name)
        if getattr(options.bus, name) != value:
            yield replace(case, options=replace(options, bus=replace(options.bus, **{name: value})))


def _simpler(case: SoakCase) -> Iterator[SoakCase | None]:
    yield from _plainer(case)
    yield from _shorter(case)
    yield from _blacker(case)
    yield from _narrower(case)


def shrink(case: SoakCase, fails: Callable[[SoakCase], bool], *, most: int = 200) -> SoakCase:
    """The smallest case that is found to fail.

    Parameters
    ----------
    case : SoakCase
        It fails.
    fails : callable
        Whether another case fails, too.
    most : int
        Calls of ``fails``, at most.
    """
    found = True
    while found:
        found = False
        for other in _simpler(case):
            if other is None:
                continue
            if most == 0:
                return case
            most -= 1
            if fails(other):
                case, found = other, True
                break
    return case
