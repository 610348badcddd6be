"""A layer as convolutions of its inputs, as its operator says: taps, strides and weights between channels."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from quiesce.spec.arithmetic import ceil_div
from quiesce.sw.compiler.lower.axis import WindowAxis
from quiesce.sw.format.geometry import MapShape
from quiesce.sw.format.layer import Layer

__all__ = ["Convolution"]


@dataclass(frozen=True, kw_only=True)
class Convolution:
    """What layer ``layer`` makes of one of its inputs, or a piece of that, as a convolution.

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
        return self.layer.op.first_out(self.shapes, self.operand)

    @property
    def largest_weight(self) -> int:
        """Largest magnitude of a weight."""
        return self.layer.op.largest_weight(self.layer, self.shapes, self.operand)

    def connected(self, outs: range) -> range:
        """Input channels that output channels ``outs`` depend on, perhaps none."""
        return self.layer.op.connected(self.layer, self.shapes, self.operand, outs)

    @cached_property
    def axes(self) -> tuple[WindowAxis, WindowAxis]:
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
    def whole_axes(self) -> tuple[WindowAxis, WindowAxis]:
        """Rows and columns of the layer on the whole input."""
        rows, cols = (
            WindowAxis(
                size=axis.size, n_out=axis.n_out, kernel=axis.kernel, stride=axis.stride, pad=axis.pad[0], dilation=axis.dilation
            )
            for axis in self.layer.axes(self.shape)
        )  # fmt: skip
        return rows, cols

    @property
    def channelwise(self) -> bool:
        """Each output channel depends on one input channel only: that of its number, less ``first_out``."""
        return self.layer.op.channelwise(self.layer)

    @property
    def uniform(self) -> bool:
        """Goes channel by channel, all weights are the same, and each phase has the kernel entries up to its reach."""
        regular = all(axis.dilation == 1 or axis.stride == 1 for axis in self.axes)
        return self.channelwise and self.layer.op.uniform and regular

    def channel_weights(self, outs: range) -> npt.NDArray[np.int8]:
        """Weights (len(outs), kh, kw) of a layer that is ``channelwise``."""
        rows, cols = self._taps
        weights = self.layer.op.channel_weights(self.layer, self.shapes, self.operand, outs)
        return weights[:, rows.start : rows.stop, cols.start : cols.stop]

    def weights(self, outs: range, ins: range) -> npt.NDArray[np.int8]:
        """Weights (len(outs), kh, kw, len(ins)) of output channels ``outs`` for ``ins``, zeros where unconnected."""
        rows, cols = self._taps
        weights = self.layer.op.weights(self.layer, self.shapes, self.operand, outs, ins)
        return np.ascontiguousarray(weights[:, rows.start : rows.stop, cols.start : cols.stop])

    def weight_words(self, n_lanes: int) -> npt.NDArray[np.int64]:
        """Weight words that are not zero, for each unit of ``n_lanes`` output channels and each input channel, (units, chans)."""
        couts, chans = self.out_shape[2], self.shape[2]
        n_units = ceil_div(couts, n_lanes)
        if self.channelwise:
            words, fed = np.zeros((n_units, chans), np.int64), np.arange(chans)
            outs = range(self.first_out, self.first_out + chans)
            words[(fed + self.first_out) // n_lanes, fed] = np.count_nonzero(self.channel_weights(outs), axis=(1, 2))
            return words
        weights = self.weights(range(couts), range(chans))
        padded = np.zeros((n_units * n_lanes, *weights.shape[1:]), np.bool_)
        padded[:couts] = weights != 0
        return np.asarray(padded.reshape(-1, n_lanes, *padded.shape[1:]).any(axis=1).sum(axis=(1, 2)), np.int64)
