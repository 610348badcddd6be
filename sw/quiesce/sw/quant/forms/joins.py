"""Torch forms of operators that read several maps."""

import operator
import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import floor
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from quiesce.sw.format.checks import ACT_MAX
from quiesce.sw.format.ops import ADD, CONCAT
from quiesce.sw.format.ops.joins import Join
from quiesce.sw.format.requantize import choose_multiplier
from quiesce.sw.quant.errors import PrecisionWarning, QuantizeError, UnsupportedOperationError
from quiesce.sw.quant.forms.base import Call, Geometry, TorchForm
from quiesce.sw.quant.integers import NEGLIGIBLE, IntegerParameters, unweighted

if TYPE_CHECKING:
    from quiesce.sw.quant.plan import FloatLayer

__all__ = ["AddForm", "ConcatForm", "JoinForm", "sum_weights"]

_FAR = 64.0
"""Range of a map that is added, in ranges of the sum: half a step of it is then a quarter of what the sum can tell apart."""
_FEW_STEPS = 4
"""Steps of a joined map that the largest value of one of its maps takes."""
_WRONG = 1 / 32
"""Error of a sum, in ranges of it: 30 dB."""


class JoinForm(TorchForm):
    """Operators of maps of the same rows and columns. Flattened maps keep their meaning if they have a single pixel."""

    def maps_of(self, node: fx.Node) -> Any:
        """What should be the list of the operands; UnsupportedOperationError if the operation has another form."""
        return [*node.args, *(node.kwargs[name] for name in ("input", "other") if name in node.kwargs)]

    def operands(self, node: fx.Node, operation: str) -> list[fx.Node]:
        maps = self.maps_of(node)
        if not isinstance(maps, (list, tuple)) or len(maps) < 2 or not all(isinstance(item, fx.Node) for item in maps):
            raise UnsupportedOperationError("no integer counterpart unless all operands are maps")
        return list(maps)

    def trace(self, layer: "FloatLayer", call: Call) -> None:
        shapes = layer.in_shapes
        if any(n_axes != 4 for n_axes in call.n_axes) and {shape[1:] for shape in shapes} != {(1, 1)}:
            raise UnsupportedOperationError("maps that were flattened before")
        assert isinstance(self.op, Join)
        fits = len({shape[1:] for shape in shapes}) == 1 and self.op.joined_chans([shape[0] for shape in shapes]) > 0
        if not fits:
            raise UnsupportedOperationError(f"maps of the shapes {', '.join(map(str, shapes))}: they must be the same")
        if len(shapes) > self.op.max_inputs:
            raise UnsupportedOperationError(f"{len(shapes)} maps: at most {self.op.max_inputs}")

    def out_chans(self, layer: "FloatLayer") -> int:
        assert isinstance(self.op, Join)
        return self.op.joined_chans([shape[0] for shape in layer.in_shapes])


@lru_cache(maxsize=1024)
def sum_weights(in_scales: tuple[float, ...], out_scale: float) -> tuple[int, ...]:
    """Integer weights 1..127 of the maps that ADD reads::

        weight[i] = max(1, floor(top in_scale[i] / max in_scale + 1/2))
        error     = 127 / out_scale  sum_i |weight[i] max in_scale / top - in_scale[i]|     in output steps

    ``top`` is 127 if that leaves an error of at most half a step, or else that of 1..127 with the least error: of scales 20 : 1,
    the weights are 120 and 6.

    Parameters
    ----------
    in_scales : tuple of float
        Real value of one step of each map.
    out_scale : float
        Real value of one step of the sum.
    """
    coarsest = max(in_scales)

    def weights(top: int) -> tuple[int, ...]:
        return tuple(max(1, floor(top * in_scale / coarsest + 0.5)) for in_scale in in_scales)

    def error(top: int) -> float:
        unit = coarsest / top
        wrong = (abs(weight * unit - in_scale) for weight, in_scale in zip(weights(top), in_scales, strict=True))
        return ACT_MAX * sum(wrong) / out_scale

    return weights(ACT_MAX if error(ACT_MAX) <= 0.5 else min(range(ACT_MAX, 0, -1), key=error))


class AddForm(JoinForm):
    """Sum of maps; ``weight`` (inputs,) are the integers of their scales, as ``sum_weights`` gives them::

    multiplier / 2^shift ~ max in_scale / (max weight out_scale)
    """

    op = ADD
    calls = {operator.add: "add", operator.iadd: "add", torch.add: "add", "add": "add", "add_": "add"}

    def maps_of(self, node: fx.Node) -> Any:
        if node.kwargs.get("alpha", 1) != 1:
            raise UnsupportedOperationError("addition with alpha other than 1")
        return super().maps_of(node)

    def trace(self, layer: "FloatLayer", call: Call) -> None:
        super().trace(layer, call)
        first = self.operands(call.node, call.operation)[0]
        if call.node.target in (operator.iadd, "add_") and list(first.users)[-1] is not call.node:
            raise UnsupportedOperationError("in-place addition to a map that is read afterwards")

    def accumulate(self, layer: Geometry, maps: Sequence[torch.Tensor], weight: torch.Tensor | None) -> torch.Tensor:
        assert weight is not None
        acc = weight[0] * maps[0]
        for factor, acts in zip(weight[1:], maps[1:], strict=True):
            acc = torch.addcmul(acc, factor, acts)
        return acc

    def forward(self, layer: "FloatLayer", maps: Sequence[torch.Tensor]) -> torch.Tensor:
        return self.accumulate(layer, maps, torch.ones(len(maps)))

    def integer_weight(self, layer: "FloatLayer", integers: IntegerParameters) -> torch.Tensor | None:
        return integers.weight.detach()

    def parameters(self, layer: "FloatLayer", in_scales: Sequence[float], out_scale: float) -> IntegerParameters:
        weights = sum_weights(tuple(in_scales), out_scale)
        rescale = choose_multiplier(max(in_scales) / (max(weights) * out_scale))
        return unweighted(torch.tensor(weights, dtype=torch.float32), [rescale] * layer.cout)

    def check_scales(self, layer: "FloatLayer", acts: torch.Tensor, scales: Mapping[str, float], most: Mapping[str, int]) -> None:
        """Refuse a sum of maps, not always zero, that its integers cannot tell apart from another one: the range of a map is
        more than 64 times that of the sum, or the integer weights of the maps are wrong by more than 1/32 of the sum's range.
        """
        if float(acts.abs().max()) <= NEGLIGIBLE:
            return
        in_scales, out_scale = tuple(scales[source] for source in layer.sources), scales[layer.name]
        ranges = [scale * most[source] for source, scale in zip(layer.sources, in_scales, strict=True)]
        out_range = out_scale * most[layer.name]
        weights = sum_weights(in_scales, out_scale)
        unit = max(in_scales) / max(weights)
        wrong = sum(abs(w * unit / scale - 1) * reach for w, scale, reach in zip(weights, in_scales, ranges, strict=True))
        if max(ranges) > _FAR * out_range or wrong > _WRONG * out_range:
            reaches = ", ".join(f"{source} {reach:.3g}" for source, reach in zip(layer.sources, ranges, strict=True))
            raise QuantizeError(
                f"{layer.name}: it adds maps that reach {reaches} and keeps {out_range:.3g} of the sum, too little for their "
                "integer steps: bring the maps to similar magnitudes, such as by a ReLU or ReLU6 before the sum"
            )


class ConcatForm(JoinForm):
    """Channels of maps, one after the other::

    multiplier[o] / 2^shift[o] ~ in_scale / out_scale   of the input that channel o comes from
    """

    op = CONCAT
    calls = {torch.cat: "concat", torch.concat: "concat", torch.concatenate: "concat"}

    def maps_of(self, node: fx.Node) -> Any:
        dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", node.kwargs.get("axis", 0))
        n_axes = len(node.meta["shape"])
        if not isinstance(dim, int) or dim % n_axes != 1:
            raise UnsupportedOperationError(f"concatenation along axis {dim}: only along the channels, 1")
        return node.args[0] if node.args else node.kwargs.get("tensors")

    def accumulate(self, layer: Geometry, maps: Sequence[torch.Tensor], weight: torch.Tensor | None) -> torch.Tensor:
        return torch.cat(list(maps), dim=1)

    def parameters(self, layer: "FloatLayer", in_scales: Sequence[float], out_scale: float) -> IntegerParameters:
        chosen = [choose_multiplier(in_scale / out_scale) for in_scale in in_scales]
        chans = [shape[0] for shape in layer.in_shapes]
        return unweighted(torch.empty(0), [pair for pair, n in zip(chosen, chans, strict=True) for _ in range(n)])

    def check_scales(self, layer: "FloatLayer", acts: torch.Tensor, scales: Mapping[str, float], most: Mapping[str, int]) -> None:
        """Say where the channels of a map have next to no steps once they share a scale with those of another one: its largest
        value is less than 4 steps, but not 0.
        """
        scale = scales[layer.name]
        parts = torch.split(acts, [shape[0] for shape in layer.in_shapes], dim=1)
        for source, part in zip(layer.sources, parts, strict=True):
            peak = float(part.abs().max())
            if NEGLIGIBLE < peak < _FEW_STEPS * scale:
                warnings.warn(
                    f"{layer.name}: {source} reaches {peak:.3g}, only {peak / scale:.1f} steps of the maps joined: bring them to "
                    "similar magnitudes",
                    PrecisionWarning,
                    stacklevel=5,
                )
