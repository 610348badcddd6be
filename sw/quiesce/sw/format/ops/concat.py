"""Channels of several maps."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from quiesce.sw.format.geometry import MapShape
from quiesce.sw.format.ops.base import Acts, Limits, Sums, register
from quiesce.sw.format.ops.joins import Join

if TYPE_CHECKING:
    from quiesce.sw.format.layer import Layer

__all__ = ["CONCAT"]


class Concat(Join):
    """``acc[r, c, first_i + o] = x_i[r, c, o]``: the channels of one map after those of the other."""

    name = "concat"
    max_inputs = 64

    def joined_chans(self, chans: Sequence[int]) -> int:
        return sum(chans)

    def accumulate(self, layer: "Layer", *sources: Acts) -> Sums:
        return np.concatenate(sources, axis=3, dtype=np.int32)

    def bounds(self, layer: "Layer", limits: Sequence[Limits]) -> Limits:
        return min(low for low, _ in limits), max(high for _, high in limits)

    def keeps_channels(self, layer: "Layer") -> bool | None:
        return False

    def first_out(self, shapes: Sequence[MapShape], operand: int) -> int:
        return sum(shape[2] for shape in shapes[:operand])


CONCAT = register(Concat())
