"""A layer as convolutions of its inputs: every kind becomes taps, strides and weights between channels."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from quiesce.sw.format.geometry import ceil_div, window_extent
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


def _window_axis(*, size: int, n_out: int, kernel: int, stride: int, pad: int, dilation: int) -> Axis:
    """With a single output the stride is free: one as large as the window makes every input a phase of its own, as in a
    linear layer, and leaves one displacement."""
    if n_out == 1:
        stride = max(stride, window_extent(kernel, dilation))
    return Axis(size=size, n_out=n_out, kernel=kernel, stride=stride, pad=pad, dilation=dilation)


@dataclass(frozen=True, kw_only=True)
class Window:
    """What layer ``layer`` makes of one of its inputs, as a convolution.

    A linear layer has a kernel and a stride as large as its input; a pool has one weight 1 for each channel. ADD and CONCAT are
    sums over their inputs, each with one weight per channel; an input of CONCAT feeds some of the output channels only.

    Members
    -------
    shapes : of all inputs
    operand : index of this one
    """

    layer: Layer
    shapes: tuple[MapShape, ...]
    operand: int = 0

    @property
    def shape(self) -> MapShape:
        """Of the input."""
        return self.shapes[self.operand]

    @property
    def source(self) -> str:
        """Name of the input."""
        return self.layer.inputs[self.operand]

    @property
    def out_shape(self) -> MapShape:
        return self.layer.output_shape(*self.shapes)

    @property
    def first_out(self) -> int:
        """Output channel that channel 0 of the input feeds, of layers that go channel by channel."""
        return sum(shape[2] for shape in self.shapes[: self.operand]) if self.layer.kind is Kind.CONCAT else 0

    @cached_property
    def largest_weight(self) -> int:
        """Largest magnitude of a weight."""
        weight = self.layer.weight
        return 1 if weight is None else int(np.abs(weight).max())

    def connected(self, outs: range) -> range:
        """Input channels that output channels ``outs`` depend on, perhaps none."""
        layer, chans = self.layer, self.shape[2]
        if layer.kind is Kind.LINEAR:
            return range(chans)
        if layer.kind is Kind.CONV:
            assert layer.weight is not None
            cin, couts = layer.weight.shape[3], layer.cout // layer.groups
            return range(outs.start // couts * cin, ((outs.stop - 1) // couts + 1) * cin)
        return range(max(0, outs.start - self.first_out), max(0, min(chans, outs.stop - self.first_out)))

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
            _window_axis(size=rows, n_out=out_rows, kernel=kh, stride=sh, pad=top, dilation=dh),
            _window_axis(size=cols, n_out=out_cols, kernel=kw, stride=sw, pad=left, dilation=dw),
        )

    @property
    def channelwise(self) -> bool:
        """Each output channel depends on one input channel only: that of its number, less ``first_out``."""
        if self.layer.kind is Kind.CONV:
            return self.layer.groups == self.shape[2] == self.layer.cout
        return self.layer.kind is not Kind.LINEAR

    @property
    def uniform(self) -> bool:
        """Goes channel by channel, all weights are the same, and each phase has the kernel entries up to its reach."""
        regular = all(axis.dilation == 1 or axis.stride == 1 for axis in self.axes)
        return self.channelwise and self.layer.kind is not Kind.CONV and regular

    def channel_weights(self, outs: range) -> npt.NDArray[np.int8]:
        """Weights (len(outs), kh, kw) of a layer that is ``channelwise``."""
        layer = self.layer
        if layer.weight is not None and layer.kind is Kind.CONV:
            return layer.weight[outs.start : outs.stop, :, :, 0]
        return np.full((len(outs), *layer.kernel), 1 if layer.weight is None else layer.weight[self.operand], np.int8)

    def weight_words(self, n_lanes: int) -> npt.NDArray[np.int64]:
        """Weight words that are not zero, for each unit of ``n_lanes`` output channels and each input channel, (units, chans)."""
        couts, chans = self.out_shape[2], self.shape[2]
        weights = self.weights(range(couts), range(chans))
        padded = np.zeros((ceil_div(couts, n_lanes) * n_lanes, *weights.shape[1:]), np.bool_)
        padded[:couts] = weights != 0
        words: npt.NDArray[np.int64] = padded.reshape(-1, n_lanes, *padded.shape[1:]).any(axis=1).sum(axis=(1, 2))
        return words

    def weights(self, outs: range, ins: range) -> npt.NDArray[np.int8]:
        """Weights (len(outs), kh, kw, len(ins)) of output channels ``outs`` for ``ins``, zeros where unconnected."""
        layer = self.layer
        out_index, in_index = np.arange(outs.start, outs.stop), np.arange(ins.start, ins.stop)
        if layer.kind is Kind.LINEAR:
            assert layer.weight is not None
            block = layer.weight[outs.start : outs.stop].reshape(len(outs), *self.shape)
            return np.ascontiguousarray(block[..., ins.start : ins.stop])
        result = np.zeros((len(outs), *layer.kernel, len(ins)), np.int8)
        if layer.kind is not Kind.CONV:
            out_same, in_same = np.nonzero(out_index[:, None] == in_index + self.first_out)
            result[out_same, :, :, in_same] = 1 if layer.weight is None else layer.weight[self.operand]
            return result
        assert layer.weight is not None
        per_group_in, per_group_out = layer.weight.shape[3], layer.cout // layer.groups
        for o in outs:
            first = o // per_group_out * per_group_in
            low, high = max(first, ins.start), min(first + per_group_in, ins.stop)
            if low < high:
                block = layer.weight[o, :, :, low - first : high - first]
                result[o - outs.start, :, :, low - ins.start : high - ins.start] = block
        return result
