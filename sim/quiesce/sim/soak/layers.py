"""Random layers whose sums fit the accumulators and whose outputs tell: scaled to the activations that they really see."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from quiesce.sim.soak.draws import Draws
from quiesce.sw.format.checks import MULTIPLIER_MAX, SHIFT_MAX, largest
from quiesce.sw.format.layer import Layer
from quiesce.sw.format.ops import ADD, CONCAT, CONV, LINEAR, Operator

__all__ = ["Map", "add", "clip", "concat", "conv", "linear", "pool"]

Acts = npt.NDArray[np.int8]
Ints = npt.NDArray[np.int64]
_SUM_MAX = (1 << 31) - 1


@dataclass(frozen=True)
class Map:
    """A map of a network that grows: its name, its activations (N, rows, cols, chans), the greatest magnitude they can have."""

    name: str
    acts: Acts
    reach: int

    @property
    def shape(self) -> tuple[int, int, int]:
        rows, cols, chans = self.acts.shape[1:]
        return rows, cols, chans


def clip(draws: Draws) -> dict[str, Any]:
    """Bits, ``low`` and ``high`` of a map: most often those of a ReLU, else signed, else any."""
    bits = draws.choice([8, 8, 4])
    top = largest(bits)
    low, high = draws.choice([(0, top), (0, top), (-top, top), (0, top // 2), (0, top), (-top // 3, top)])
    if draws.chance(10):  # without zero, without one side of it
        low, high = sorted(draws.choice([(1, top), (-top, -1), (-top, 0), draws.rng().integers(-top, top + 1, 2).tolist()]))
    return {"bits": bits, "low": low, "high": high}


def _kept(draws: Draws) -> float:
    return draws.choice([1.0, 0.5, 0.2, 0.05, 0.9, 1.0, 0.5, 0.0])


def _weight(draws: Draws, shape: tuple[int, ...], bits: int, sum_max: int) -> Acts:
    """Weights (cout, ...) of any density, no output channel with a sum of magnitudes above ``sum_max``."""
    rng, top = draws.rng(), largest(bits)
    style = draws.choice(["uniform", "greatest", "channels", "inputs"])
    weight = rng.choice([-top, top], shape) if style == "greatest" else rng.integers(-top, top + 1, shape)
    if style == "channels":  # each output channel with a density of its own, some without any weight
        kept = rng.choice([0.0, 0.05, 0.5, 1.0], shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    elif style == "inputs":  # a stretch of input channels that nobody reads
        first, last = sorted(rng.integers(0, shape[-1] + 1, 2))
        kept = np.where((np.arange(shape[-1]) < first) | (np.arange(shape[-1]) >= last), 1.0, 0.0)
    else:
        kept = np.array(_kept(draws))
    weight[rng.random(shape) >= kept] = 0
    flat = weight.reshape(shape[0], -1)
    order = rng.permutation(flat.shape[1])
    sums = np.cumsum(np.abs(flat[:, order]), axis=1)
    flat[:, order] = np.where(sums <= sum_max, flat[:, order], 0)
    return weight.astype(np.int8)


def _bias(draws: Draws, acc: Ints) -> Ints:
    """Biases that leave a share of the outputs of each channel above zero."""
    flat = acc.reshape(-1, acc.shape[-1])
    if not acc.any():  # nothing that could be shared out
        return np.asarray(draws.rng().integers(-100, 101, acc.shape[-1]))
    # The same share for all channels, or each its own.
    some = draws.choice([[0.5], [0.5], [0.1], [0.9], [1.0], [0.0], [0.0, 0.05, 0.1, 0.6, 1.0]])
    shares = draws.rng().choice(some, acc.shape[-1])
    ordered = np.sort(flat, axis=0)
    # The number of outputs at or below zero; one more than all of them is a margin of one.
    at = np.minimum(np.round((1 - shares) * len(flat)).astype(int), len(flat) - 1)
    bias = -np.take_along_axis(ordered, at[np.newaxis], axis=0)[0]
    result: Ints = bias + np.where(shares == 1.0, 1, 0) - np.where(shares == 0.0, 1, 0)
    return result


def _scaled(draws: Draws, layer: Layer, sources: Sequence[Map]) -> Layer:
    """The layer with a scaling that fits its sums, or with any scaling, and a threshold now and then."""
    options: dict[str, Any] = {}
    acc = layer.op.accumulate(layer, *(source.acts for source in sources)).astype(np.int64)
    extreme = draws.chance(12)
    if layer.op.weighted:
        assert layer.weight is not None
        room = _SUM_MAX - max(source.reach for source in sources) * int(
            np.abs(layer.weight.reshape(layer.cout, -1).astype(np.int64)).sum(axis=1).max()
        )
        bias = draws.rng().choice([-room, -1, 0, 1, room], layer.cout) if extreme else _bias(draws, acc)
        options["bias"] = np.clip(bias, -room, room).astype(np.int32)
        acc = acc + options["bias"]
    rng = draws.rng()
    if extreme:
        multiplier = rng.choice([1, 2, 1 << 15, MULTIPLIER_MAX], layer.cout)
        shift = rng.choice([0, 1, 15, 31, 32, 46, SHIFT_MAX], layer.cout)
    else:
        multiplier = rng.integers(1 << 14, 1 << 15, layer.cout)
        peaks = np.maximum(np.abs(acc).reshape(-1, layer.cout).max(axis=0), 1)
        gain = draws.choice([1, 1, 4, 16]) * max(layer.high, -layer.low, 1)
        shift = np.clip(np.round(np.log2(peaks * multiplier / gain)), 0, SHIFT_MAX)
    options |= {"multiplier": multiplier.astype(np.int32), "shift": shift.astype(np.int32)}
    return replace(layer, **options)


def _threshold(draws: Draws, low: int, bits: int) -> int:
    return draws.choice([0, 0, bits + 1, largest(bits)]) if low >= 0 else 0


def _units(cout: int) -> dict[str, Any]:
    """A scaling that is to be replaced, or that of a maximum."""
    return {"multiplier": np.ones(cout, np.int32), "shift": np.zeros(cout, np.int32), "out_scale": 1.0}


def conv(
    draws: Draws, name: str, source: Map, cout: int, sum_max: int, *, groups: int = 1, weight_bits: int = 8, **window: Any
) -> Layer:
    """A convolution.

    Parameters
    ----------
    sum_max : int
        Greatest magnitude of a sum that the core holds.
    window : kernel, stride, pad, dilation
    """
    out = clip(draws)
    shape = (cout, *window["kernel"], source.shape[2] // groups)
    layer = Layer(
        name=name, op=CONV, inputs=(source.name,), weight=_weight(draws, shape, weight_bits, sum_max // source.reach),
        bias=np.zeros(cout, np.int32), groups=groups, weight_bits=weight_bits,
        threshold=_threshold(draws, out["low"], out["bits"]), **_units(cout), **out, **window,
    )  # fmt: skip
    return _scaled(draws, layer, [source])


def linear(draws: Draws, name: str, source: Map, cout: int, sum_max: int, *, weight_bits: int = 8) -> Layer:
    """A linear layer; parameters as of ``conv``."""
    out = clip(draws)
    shape = (cout, int(np.prod(source.shape)))
    layer = Layer(
        name=name, op=LINEAR, inputs=(source.name,), weight=_weight(draws, shape, weight_bits, sum_max // source.reach),
        bias=np.zeros(cout, np.int32), weight_bits=weight_bits, threshold=_threshold(draws, out["low"], out["bits"]),
        **_units(cout), **out,
    )  # fmt: skip
    return _scaled(draws, layer, [source])


def pool(draws: Draws, op: Operator, name: str, source: Map, **window: Any) -> Layer:
    """A pool; maxima keep their scale."""
    layer = Layer(name=name, op=op, inputs=(source.name,), **_units(source.shape[2]), **clip(draws), **window)
    return layer if op.maximum else _scaled(draws, layer, [source])


def add(draws: Draws, name: str, sources: Sequence[Map], sum_max: int) -> Layer:
    """A weighted sum of maps of one shape; ``sum_max`` as of ``conv``."""
    out = clip(draws)
    top = max(1, min(largest(8), sum_max // sum(source.reach for source in sources)))
    weight = draws.rng().integers(1, top + 1, len(sources)) * draws.rng().choice([-1, 1], len(sources))
    layer = Layer(
        name=name, op=ADD, inputs=tuple(source.name for source in sources), weight=weight.astype(np.int8),
        threshold=_threshold(draws, out["low"], out["bits"]), **_units(sources[0].shape[2]), **out,
    )  # fmt: skip
    return _scaled(draws, layer, sources)


def concat(draws: Draws, name: str, sources: Sequence[Map]) -> Layer:
    """The channels of maps of the same rows and columns."""
    out = clip(draws)
    layer = Layer(
        name=name, op=CONCAT, inputs=tuple(source.name for source in sources),
        threshold=_threshold(draws, out["low"], out["bits"]), **_units(sum(source.shape[2] for source in sources)), **out,
    )  # fmt: skip
    return _scaled(draws, layer, sources)
