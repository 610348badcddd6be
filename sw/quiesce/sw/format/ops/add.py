"""Weighted sum of maps."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from quiesce.sw.format.checks import check_bounds, largest
from quiesce.sw.format.errors import RangeError
from quiesce.sw.format.geometry import MapShape
from quiesce.sw.format.ops.base import Acts, Limits, Sums, register
from quiesce.sw.format.ops.joins import Join

if TYPE_CHECKING:
    from quiesce.sw.format.layer import Layer

__all__ = ["ADD"]


class Add(Join):
    """``acc[r, c, o] = sum over inputs i of weight[i] x_i[r, c, o]``, all of one shape, no weight 0."""

    name = "add"
    max_inputs = 8

    def check(self, layer: "Layer") -> None:
        self.check_absent(layer, "bias", "weight_scale")
        weight = layer.checked_array("weight", np.int8, (len(layer.inputs),))
        check_bounds(weight, -largest(layer.weight_bits), largest(layer.weight_bits), f"{layer.where}: weight")
        if not weight.all():
            raise RangeError(f"{layer.where}: weight of an input is 0")

    def accumulate(self, layer: "Layer", *sources: Acts) -> Sums:
        assert layer.weight is not None
        total = np.zeros(sources[0].shape, np.int32)
        for weight, source in zip(layer.weight.astype(np.int32), sources, strict=True):
            total += weight * source
        return total

    def bounds(self, layer: "Layer", limits: Sequence[Limits]) -> Limits:
        assert layer.weight is not None
        reach = [sorted((int(w) * low, int(w) * high)) for w, (low, high) in zip(layer.weight, limits, strict=True)]
        return sum(low for low, _ in reach), sum(high for _, high in reach)

    def channel_weights(self, layer: "Layer", shapes: Sequence[MapShape], operand: int, outs: range) -> Acts:
        assert layer.weight is not None
        return np.full((len(outs), 1, 1), layer.weight[operand], np.int8)


ADD = register(Add())
