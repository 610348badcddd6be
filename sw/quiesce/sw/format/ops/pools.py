"""Pools: windows over single channels, whose weights are all 1."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from quiesce.sw.format.checks import ACT_MAX
from quiesce.sw.format.ops.base import Acts, Limits, Operator, Sums, padded, register, window_slices

if TYPE_CHECKING:
    from quiesce.sw.format.layer import Layer

__all__ = ["AVGPOOL", "MAXPOOL"]


class Pool(Operator):
    """Each output channel is what its windows over the input channel of the same number hold."""

    windowed = True
    uniform = True


class MaxPool(Pool):
    """``acc[r, c, o] = max over i, j inside the map of x[r stride + i dilation - pad, c stride + j dilation - pad, o]``.

    Multiplier and shift are 1 and 0: outputs are inputs.
    """

    name = "maxpool"
    maximum = True

    def accumulate(self, layer: "Layer", *sources: Acts) -> Sums:
        (acts,) = sources
        axes = self.axes(layer, (acts.shape[1], acts.shape[2], acts.shape[3]))
        least = -ACT_MAX - 1  # below every activation, so that padding never is the maximum
        source = padded(axes, acts, least)
        acc = np.full((len(acts), axes[0].n_out, axes[1].n_out, layer.cout), least, np.int32)
        for _, _, rows, cols in window_slices(axes):
            np.maximum(acc, source[:, rows, cols], out=acc)
        return acc

    def bounds(self, layer: "Layer", limits: Sequence[Limits]) -> Limits:
        (reach,) = limits
        return reach


class AvgPool(Pool):
    """``acc[r, c, o] = sum over i, j of x[r stride + i dilation - pad, c stride + j dilation - pad, o]``.

    Padding counts as zeros. The division by the kernel's size is part of multiplier and shift.
    """

    name = "avgpool"

    def accumulate(self, layer: "Layer", *sources: Acts) -> Sums:
        (acts,) = sources
        axes = self.axes(layer, (acts.shape[1], acts.shape[2], acts.shape[3]))
        source = padded(axes, acts)
        acc = np.zeros((len(acts), axes[0].n_out, axes[1].n_out, layer.cout), np.int32)
        for _, _, rows, cols in window_slices(axes):
            acc += source[:, rows, cols]
        return acc

    def bounds(self, layer: "Layer", limits: Sequence[Limits]) -> Limits:
        ((low, high),) = limits
        positions = layer.kernel[0] * layer.kernel[1]
        return low * positions, high * positions


MAXPOOL = register(MaxPool())
AVGPOOL = register(AvgPool())
