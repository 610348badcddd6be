"""A layer as convolutions of its inputs: every kind becomes taps, strides and weights between channels."""

from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

import numpy as np
import numpy.typing as npt

from quiesce.spec.arithmetic import ceil_div
from quiesce.sw.format.geometry import window_extent
from quiesce.sw.format.layer import Kind, Layer, MapShape

__all__ = ["Axis", "Window"]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Window arithmetic along rows or columns.

    Kernel entry k adds input x to output ``(x + pad - k dilation) / stride`` where that is whole. With
    x + pad = quot stride + phase these are the outputs ``quot - d``, d being the *displacement*. Input x is number
    ``first + x step`` of the map.
    """

    size: int
    n_out: int
    kernel: int
    stride: int
    pad: int
    dilation: int
    first: int = 0
    step: int = 1

    def part(self, inputs: range, outs: range, taps: range) -> "Axis":
        """The axis seen from some inputs, outputs and kernel entries, each counted from its first: ``pad`` may become negative.

        With a single output any stride is the same, and that of the window's extent sorts the entries by phase alone.
        """
        pad = self.pad + inputs.start - taps.start * self.dilation - outs.start * self.stride
        stride = window_extent(len(taps), self.dilation) if len(outs) == 1 else self.stride
        return Axis(size=len(inputs), n_out=len(outs), kernel=len(taps), stride=stride, pad=pad, dilation=self.dilation)

    def without_gaps(self) -> "Axis":
        """The axis with only the inputs that its one kernel entry meets, next to each other.

        Itself with more entries, or if it meets none: a pass reads at least one input.
        """
        first = -self.pad % self.stride
        if self.kernel > 1 or first >= self.size:
            return self
        return replace(
            self, size=ceil_div(self.size - first, self.stride), stride=1, pad=(first + self.pad) // self.stride, first=first,
            step=self.stride,
        )  # fmt: skip

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
        return min(self.stride, self.size + self.pad % self.stride)

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
        """Inputs [low, high) that outputs first..last read, or one input that none of them needs if they see padding only."""
        low = min(max(0, first * self.stride - self.pad), self.size - 1)
        return low, max(low + 1, min(self.size, last * self.stride - self.pad + self.extent))


@dataclass(frozen=True, kw_only=True)
class Window:
    """What layer ``layer`` makes of one of its inputs, or a piece of that, as a convolution.

    A linear layer has a kernel and a stride as large as its input; a pool has one weight 1 for each channel. ADD and CONCAT are
    sums over their inputs, each with one weight per channel; an input of CONCAT feeds some of the output channels only.

    Members
    -------
    shapes : of all inputs
    operand : index of this one
    in_rows : rows of the input that are read; all if None
    strip, in_cols : index and columns of the strip of the input that is read; all columns if None
    out_cols : columns of the output that are computed; all if None
    taps : kernel rows and columns that take part; all if None
    """

    layer: Layer
    shapes: tuple[MapShape, ...]
    operand: int = 0
    in_rows: range | None = None
    strip: int = 0
    in_cols: range | None = None
    out_cols: range | None = None
    taps: tuple[range, range] | None = None

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

    @cached_property
    def axes(self) -> tuple[Axis, Axis]:
        """Rows and columns of the piece. Rows between those that it meets are left out; columns come all with their row."""
        rows, cols = self.whole_axes
        row_taps, col_taps = self._taps
        in_rows = range(rows.size) if self.in_rows is None else self.in_rows
        in_cols = range(cols.size) if self.in_cols is None else self.in_cols
        out_cols = range(cols.n_out) if self.out_cols is None else self.out_cols
        row_axis = rows.part(in_rows, range(rows.n_out), row_taps).without_gaps()
        return row_axis, cols.part(in_cols, out_cols, col_taps)

    @property
    def _taps(self) -> tuple[range, range]:
        rows, cols = self.whole_axes
        return (range(rows.kernel), range(cols.kernel)) if self.taps is None else self.taps

    @cached_property
    def whole_axes(self) -> tuple[Axis, Axis]:
        """Rows and columns of the layer on the whole input."""
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
        layer, (rows, cols) = self.layer, self._taps
        if layer.weight is not None and layer.kind is Kind.CONV:
            return layer.weight[outs.start : outs.stop, rows.start : rows.stop, cols.start : cols.stop, 0]
        shape = (len(outs), len(rows), len(cols))
        return np.full(shape, 1 if layer.weight is None else layer.weight[self.operand], np.int8)

    def weight_words(self, n_lanes: int) -> npt.NDArray[np.int64]:
        """Weight words that are not zero, for each unit of ``n_lanes`` output channels and each input channel, (units, chans)."""
        couts, chans = self.out_shape[2], self.shape[2]
        if self.layer.kind not in (Kind.CONV, Kind.LINEAR):
            words = np.zeros((ceil_div(couts, n_lanes), chans), np.int64)
            fed = np.arange(chans)
            words[(fed + self.first_out) // n_lanes, fed] = prod(map(len, self._taps))
            return words
        weights = self.weights(range(couts), range(chans))
        padded = np.zeros((ceil_div(couts, n_lanes) * n_lanes, *weights.shape[1:]), np.bool_)
        padded[:couts] = weights != 0
        return np.asarray(padded.reshape(-1, n_lanes, *padded.shape[1:]).any(axis=1).sum(axis=(1, 2)), np.int64)

    def weights(self, outs: range, ins: range) -> npt.NDArray[np.int8]:
        """Weights (len(outs), kh, kw, len(ins)) of output channels ``outs`` for ``ins``, zeros where unconnected."""
        layer, (row_taps, col_taps) = self.layer, self._taps
        rows, cols = slice(row_taps.start, row_taps.stop), slice(col_taps.start, col_taps.stop)
        out_index, in_index = np.arange(outs.start, outs.stop), np.arange(ins.start, ins.stop)
        if layer.kind is Kind.LINEAR:
            assert layer.weight is not None
            block = layer.weight[outs.start : outs.stop].reshape(len(outs), *self.shape)
            return np.ascontiguousarray(block[:, rows, cols, ins.start : ins.stop])
        result = np.zeros((len(outs), len(row_taps), len(col_taps), len(ins)), np.int8)
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
                block = layer.weight[o, rows, cols, low - first : high - first]
                result[o - outs.start, :, :, low - ins.start : high - ins.start] = block
        return result
