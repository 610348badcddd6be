"""What operators with trained weights have in common."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from quiesce.sw.format.checks import ACT_MAX, check_bounds, largest
from quiesce.sw.format.errors import ScaleError, ShapeError
from quiesce.sw.format.geometry import MapShape
from quiesce.sw.format.ops.base import Acts, Limits, Operator, Sums

if TYPE_CHECKING:
    from quiesce.sw.format.layer import Layer

__all__ = ["Weighted", "exact_product"]


def exact_product(acts: npt.NDArray[Any], weight: Acts) -> Sums:
    """Exact ``acts @ weight.T`` for (rows, n) x (cout, n), in floating point.

    Every partial sum is an integer below the product of the largest activation and the sum of weight magnitudes, and the type is
    chosen so that all those integers are representable.
    """
    bound = ACT_MAX * int(np.abs(weight.astype(np.int64)).sum(axis=1).max())
    # A network's accumulators fit 32 bits, far below the 2^53 of double precision.
    dtype = np.float32 if bound < 1 << 24 else np.float64
    product: Sums = (acts.astype(dtype, copy=False) @ weight.T.astype(dtype)).astype(np.int32)
    return product


class Weighted(Operator):
    """``acc[o] = bias[o] + sum activation x weight[o]``."""

    weighted = True
    weight_axes: int
    """Axes of the array ``weight``, the first of them output channels."""

    def check(self, layer: "Layer") -> None:
        if layer.weight is None or layer.bias is None:
            raise ShapeError(f"{layer.where}: a {self.name} layer needs weight and bias")
        chans = layer.multiplier.shape
        weight = layer.checked_array("weight", np.int8, None, ndim=self.weight_axes)
        layer.checked_array("bias", np.int32, chans)
        if weight.shape[0] != chans[0]:
            raise ShapeError(f"{layer.where}: weight has {weight.shape[0]} output channels, multiplier {chans[0]}")
        check_bounds(weight, -largest(layer.weight_bits), largest(layer.weight_bits), f"{layer.where}: weight")
        self.check_kernel(layer)
        if layer.weight_scale is not None:
            scale = layer.checked_array("weight_scale", np.float32, chans)
            if not np.all(np.isfinite(scale) & (scale > 0)):
                raise ScaleError(f"{layer.where}: weight_scale is not finite and positive in every channel")

    def check_kernel(self, layer: "Layer") -> None:
        """Raise ShapeError if the window does not fit the weights."""

    @abstractmethod
    def kernel(self, layer: "Layer", shape: MapShape) -> Acts:
        """The weights as (cout, kh, kw, cin / groups), for an input of this shape."""

    def bounds(self, layer: "Layer", limits: Sequence[Limits]) -> Limits:
        assert layer.weight is not None and layer.bias is not None
        ((low, high),) = limits
        weight = layer.weight.reshape(layer.cout, -1).astype(np.int64)
        positive, negative = np.maximum(weight, 0).sum(axis=1), np.minimum(weight, 0).sum(axis=1)
        bias = layer.bias.astype(np.int64)
        least = np.minimum(bias, 0) + positive * low + negative * high
        greatest = np.maximum(bias, 0) + positive * high + negative * low
        return int(least.min()), int(greatest.max())

    def weights_per_tap(self, layer: "Layer", shapes: Sequence[MapShape], operand: int) -> npt.NDArray[np.int64]:
        kernel = self.kernel(layer, shapes[operand])
        # (groups, kh, kw, cin / groups): output channels of the group with a weight there.
        kept = np.count_nonzero(kernel.reshape(layer.groups, -1, *kernel.shape[1:]), axis=1)
        per_tap: npt.NDArray[np.int64] = np.moveaxis(kept, 0, 2).reshape(*kernel.shape[1:3], shapes[operand][2])
        return per_tap

    def connected(self, layer: "Layer", shapes: Sequence[MapShape], operand: int, outs: range) -> range:
        cin, couts = shapes[operand][2] // layer.groups, layer.cout // layer.groups
        return range(outs.start // couts * cin, ((outs.stop - 1) // couts + 1) * cin)

    def channel_weights(self, layer: "Layer", shapes: Sequence[MapShape], operand: int, outs: range) -> Acts:
        return self.kernel(layer, shapes[operand])[outs.start : outs.stop, :, :, 0]

    def weights(self, layer: "Layer", shapes: Sequence[MapShape], operand: int, outs: range, ins: range) -> Acts:
        kernel = self.kernel(layer, shapes[operand])
        if layer.groups == 1:
            return kernel[outs.start : outs.stop, :, :, ins.start : ins.stop]
        result = np.zeros((len(outs), *kernel.shape[1:3], len(ins)), np.int8)
        per_group_in, per_group_out = kernel.shape[3], layer.cout // layer.groups
        for o in outs:
            first = o // per_group_out * per_group_in
            low, high = max(first, ins.start), min(first + per_group_in, ins.stop)
            if low < high:
                result[o - outs.start, :, :, low - ins.start : high - ins.start] = kernel[o, :, :, low - first : high - first]
        return result
