"""A layer as a convolution: every kind becomes taps, strides and a weight of one output channel per input channel."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quiesce.sw.format.geometry import window_extent
from quiesce.sw.format.layer import Kind, Layer, MapShape

__all__ = ["Axis", "Window"]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Window arithmetic along rows or columns.

    Kernel entry k adds input x to output ``(x + pad - k dilation) / stride`` where that is whole. With
    x + pad = quot stride + phase these are the outputs ``quot - d``, d being the *displacement*.
    """

    size: int
    n_out: int
    kernel: int
    stride: int
    pad: int
    dilation: int

    @property
    def extent(self) -> int:
        """Inputs that a window spans."""
        return window_extent(self.kernel, self.dilation)

    @property
    def span(self) -> int:
        """Largest displacement."""
        return (self.extent - 1) // self.stride

    @property
    def displacements(self) -> range:
        """Displacements that some kernel entry has (a few more if both stride and dilation exceed 1)."""
        return range(0, self.span + 1, self.dilation if self.stride == 1 else 1)

    @property
    def n_phases(self) -> int:
        """Phases that occur: a window may stride over more inputs than there are."""
        return min(self.stride, self.size + self.pad)

    @property
    def split(self) -> int:
        """Phases below this one have displacements up to ``reach_hi``, the others up to one less."""
        return self.extent % self.stride

    @property
    def reach_hi(self) -> int:
        return self.extent // self.stride

    def tap(self, phase: int, displacement: int) -> int | None:
        """Kernel entry of a phase and a displacement, if there is one."""
        entry, rest = divmod(phase + self.stride * displacement, self.dilation)
        return entry if rest == 0 and entry < self.kernel else None

    def inputs_of(self, first: int, last: int) -> tuple[int, int]:
        """Inputs [low, high) that outputs first..last read."""
        return max(0, first * self.stride - self.pad), min(self.size, last * self.stride - self.pad + self.extent)


@dataclass(frozen=True, kw_only=True)
class Window:
    """Layer ``layer`` on an input of ``shape`` as a convolution.

    A linear layer has a kernel and a stride as large as its input; a pool has one weight 1 for each channel.
    """

    layer: Layer
    shape: MapShape

    @property
    def out_shape(self) -> MapShape:
        return self.layer.output_shape(self.shape)

    @property
    def axes(self) -> tuple[Axis, Axis]:
        layer, (rows, cols, _), (out_rows, out_cols, _) = self.layer, self.shape, self.out_shape
        if layer.kind is Kind.LINEAR:
            return (
                Axis(size=rows, n_out=1, kernel=rows, stride=rows, pad=0, dilation=1),
                Axis(size=cols, n_out=1, kernel=cols, stride=cols, pad=0, dilation=1),
            )
        (kh, kw), (sh, sw), (top, _, left, _), (dh, dw) = layer.kernel, layer.stride, layer.pad, layer.dilation
        return (
            Axis(size=rows, n_out=out_rows, kernel=kh, stride=sh, pad=top, dilation=dh),
            Axis(size=cols, n_out=out_cols, kernel=kw, stride=sw, pad=left, dilation=dw),
        )

    def weights(self, outs: range, ins: range) -> npt.NDArray[np.int8]:
        """Weights (len(outs), kh, kw, len(ins)) of output channels ``outs`` for ``ins``, zeros where unconnected."""
        layer = self.layer
        out_index, in_index = np.arange(outs.start, outs.stop), np.arange(ins.start, ins.stop)
        if layer.kind is Kind.LINEAR:
            assert layer.weight is not None
            block = layer.weight[outs.start : outs.stop].reshape(len(outs), *self.shape)
            return np.ascontiguousarray(block[..., ins.start : ins.stop])
        result = np.zeros((len(outs), *layer.kernel, len(ins)), np.int8)
        if layer.weight is None:
            out_same, in_same = np.nonzero(out_index[:, None] == in_index)
            result[out_same, :, :, in_same] = 1
            return result
        per_group_in, per_group_out = layer.weight.shape[3], layer.cout // layer.groups
        for o in outs:
            first = o // per_group_out * per_group_in
            low, high = max(first, ins.start), min(first + per_group_in, ins.stop)
            if low < high:
                block = layer.weight[o, :, :, low - first : high - first]
                result[o - outs.start, :, :, low - ins.start : high - ins.start] = block
        return result
