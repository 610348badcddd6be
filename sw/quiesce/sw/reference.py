"""Integer reference: what a network computes, bit for bit, and the work it takes."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from quiesce.sw.format.errors import DtypeError, RangeError, ShapeError
from quiesce.sw.format.layer import Layer, MapSpec
from quiesce.sw.format.network import INPUT, Network
from quiesce.sw.format.requantize import requantize
from quiesce.sw.format.winners import suppress_losers

__all__ = ["LayerCounts", "ReferenceResult", "WorkCounter", "channel_events", "check_inputs", "outputs", "run", "split"]

_BATCH_CELLS = 1 << 23
"""Operands of matrix products held at a time, for bounded memory."""

Acts = npt.NDArray[np.int8]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerCounts:
    """Work of one layer.

    Parameters
    ----------
    events : ndarray of int64, shape (N,)
        Nonzero input activations of each image, all inputs.
    effectual_macs : ndarray of int64, shape (N,)
        Multiplications with both operands nonzero and an output inside the map, ``Operator.fan_out`` of the nonzero
        activations. Pools: nonzero activation x windows that contain it; sums and concatenations: nonzero activations.
    dense_macs : int
        Multiplications of a dense engine for one image, those on padding left out.
    input_size : int
        Input activations of one image, all inputs.
    """

    events: Counts
    effectual_macs: Counts
    dense_macs: int
    input_size: int

    @property
    def density(self) -> float:
        """Nonzero share of the input activations, over all images; 0 without images."""
        return float(self.events.mean()) / self.input_size if len(self.events) else 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceResult:
    """Outcome of ``run`` for N images.

    Parameters
    ----------
    outputs : ndarray of int8, shape (N, rows, cols, chans)
        Activations of the network's output layer.
    activations : dict of str to ndarray of int8
        Layer name -> (N, rows, cols, chans), for all layers, or for the output alone if the others were not kept.
    counts : dict of str to LayerCounts
        Layer name -> work, in topological order.
    """

    outputs: Acts
    activations: dict[str, Acts]
    counts: dict[str, LayerCounts]

    @property
    def effectual_macs(self) -> Counts:
        """Effectual MACs of each image, all layers, shape (N,)."""
        total = np.zeros(len(self.outputs), np.int64)
        for count in self.counts.values():
            total += count.effectual_macs
        return total

    @property
    def dense_macs(self) -> int:
        """Dense MACs of one image, all layers."""
        return sum(count.dense_macs for count in self.counts.values())


class WorkCounter:
    """Counts the work that the inputs of a network's layers cause.

    Parameters
    ----------
    network : Network
    """

    def __init__(self, network: Network):
        shapes = network.shapes()
        sources = {layer.name: [shapes[name] for name in layer.inputs] for layer in network.layers}
        self._fans = {
            layer.name: [
                layer.op.fan_out(layer, sources[layer.name], operand).astype(np.float64).ravel()
                for operand in range(len(layer.inputs))
            ]
            for layer in network.layers
        }

    def events_and_macs(self, layer: Layer, *nonzero: npt.NDArray[np.bool_]) -> tuple[Counts, Counts]:
        """Events and effectual MACs of N items, shape (N,), from where each input is not zero, (N, rows, cols, chans)."""
        events, macs = np.zeros((2, len(nonzero[0])), np.int64)
        for source, fan in zip(nonzero, self._fans[layer.name], strict=True):
            flat = source.reshape(len(source), -1)
            events += np.count_nonzero(flat, axis=1)
            macs += (flat @ fan).astype(np.int64)  # exact: integers below 2^53
        return events, macs


def split(n_items: int, cells: int) -> Iterator[slice]:
    """Items in batches of which arrays of so many ``cells`` an item are held at a time."""
    batch = max(1, _BATCH_CELLS // cells)
    for first in range(0, n_items, batch):
        yield slice(first, first + batch)


def run(network: Network, inputs: Acts, *, keep_activations: bool = True) -> ReferenceResult:
    """Compute a network on images in integers, and count its work.

    Parameters
    ----------
    network : Network
    inputs : ndarray of int8, shape (N, rows, cols, chans)
        Within the range of ``network.input``.
    keep_activations : bool
        Return the activations of every layer rather than those of the output alone.

    Raises
    ------
    DtypeError, ShapeError, RangeError
        The inputs are not what the network takes.
    """
    check_inputs(network.input, inputs)
    shapes = network.shapes()
    sources = {layer.name: [shapes[name] for name in layer.inputs] for layer in network.layers}
    counter = WorkCounter(network)
    kept = {layer.name for layer in network.layers} if keep_activations else {network.output}
    n_images = len(inputs)
    activations = {name: np.empty((n_images, *shapes[name]), np.int8) for name in shapes if name in kept}
    counts = {
        layer.name: LayerCounts(
            events=np.zeros(n_images, np.int64),
            effectual_macs=np.zeros(n_images, np.int64),
            dense_macs=network.dense_macs(layer),
            input_size=sum(map(prod, sources[layer.name])),
        )
        for layer in network.layers
    }
    for rows in split(n_images, max(layer.op.cells(layer, sources[layer.name]) for layer in network.layers)):
        maps: dict[str, Acts] = {INPUT: inputs[rows]}
        for layer in network.layers:
            inputs_of = [maps[name] for name in layer.inputs]
            count = counts[layer.name]
            count.events[rows], count.effectual_macs[rows] = counter.events_and_macs(layer, *(acts != 0 for acts in inputs_of))
            maps[layer.name] = outputs(layer, *inputs_of)
            if layer.name in kept:
                activations[layer.name][rows] = maps[layer.name]
    return ReferenceResult(outputs=activations[network.output], activations=activations, counts=counts)


def check_inputs(spec: MapSpec, inputs: Acts, *, axes: tuple[str, ...] = ("N",)) -> None:
    """Raise DtypeError, ShapeError or RangeError unless ``inputs`` are int8, (*axes, rows, cols, chans), within ``spec``."""
    if inputs.dtype != np.int8:
        raise DtypeError(f"inputs: {inputs.dtype} is not int8")
    if inputs.ndim != len(axes) + 3 or inputs.shape[len(axes) :] != spec.shape:
        raise ShapeError(f"inputs: shape {inputs.shape} is not ({', '.join((*axes, *map(str, spec.shape)))})")
    low, high = spec.low, spec.high
    if inputs.size and not low <= inputs.min() <= inputs.max() <= high:
        raise RangeError(f"inputs: values reach {inputs.min()}..{inputs.max()}, beyond {low}..{high}")


def outputs(layer: Layer, *sources: Acts) -> Acts:
    """Activations of a layer: (N, rows, cols, chans) of each input -> (N, out_rows, out_cols, cout)."""
    acc = layer.op.accumulate(layer, *sources)
    acts = requantize(acc, layer.multiplier, layer.shift, layer.low, layer.high, layer.threshold)
    return suppress_losers(acts, layer.winners)


def channel_events(network: Network, inputs: Acts) -> dict[str, npt.NDArray[np.float64]]:
    """Nonzero activations per image of each channel of "input" and of every map, (chans,), as means over ``inputs``."""
    maps = {INPUT: inputs, **run(network, inputs).activations}
    return {name: (acts != 0).sum(axis=(1, 2)).mean(axis=0) for name, acts in maps.items()}
