"""What an operator is: everything that format, reference and compiler ask about what a layer computes."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from quiesce.sw.format.checks import MAX_MAP
from quiesce.sw.format.errors import GraphError, RangeError, ShapeError
from quiesce.sw.format.geometry import AxisWindow, MapShape, positions_inside

if TYPE_CHECKING:
    from quiesce.sw.format.layer import Layer

__all__ = ["Acts", "Limits", "Operator", "Sums", "named", "register"]

Acts = npt.NDArray[np.int8]
Sums = npt.NDArray[np.int32]
Limits = tuple[int, int]
"""Least and greatest integer of a map, zero included."""


class Operator(ABC):
    """What a layer computes, before the requantisation that all layers have in common.

    One object per operator, without a state; ``register`` makes it known. Its class docstring is its equation. Arrays are
    (N, rows, cols, chans); ``shapes`` are those of all inputs, ``operand`` is the index of one of them.

    The core sees an operator as a sum (or a ``maximum``) over its inputs of convolutions: ``axes`` are their windows, ``weights``
    their weights, input channel c of an operand feeding output channel ``first_out + c`` where they are ``channelwise``. What is
    not said to be abstract follows from these. ``accumulate``, what the operator means, must not: it is what the core is compared
    with.

    Members
    -------
    name : in network files
    min_inputs, max_inputs : maps that a layer reads
    weighted : has trained weights per output channel, and a bias
    windowed : has kernel, stride, padding and dilation
    maximum : the largest of the inputs in a window rather than their sum: outputs are inputs, with the scale of these
    uniform : the weights of an input channel are all the same
    """

    name: ClassVar[str]
    min_inputs: ClassVar[int] = 1
    max_inputs: ClassVar[int] = 1
    weighted: ClassVar[bool] = False
    windowed: ClassVar[bool] = False
    maximum: ClassVar[bool] = False
    uniform: ClassVar[bool] = False

    def __repr__(self) -> str:
        return f"<operator {self.name}>"

    @property
    def joins(self) -> bool:
        """Reads several maps."""
        return self.max_inputs > 1

    def __reduce__(self) -> tuple[Any, ...]:
        return named, (self.name,)  # copies, also those in other processes, are the same object

    def check(self, layer: "Layer") -> None:
        """Check the arrays of a layer, and replace them by read-only copies.

        Raises
        ------
        DtypeError, ShapeError, RangeError, ScaleError
            One is missing, or is no such thing; the message names the layer and the field.
        """
        self.check_absent(layer, "weight", "bias", "weight_scale")
        if self.maximum and (np.any(layer.multiplier != 1) or np.any(layer.shift != 0)):
            raise RangeError(f"{layer.where}: maximum pooling has multiplier 1 and shift 0")

    def check_absent(self, layer: "Layer", *fields: str) -> None:
        """Raise ShapeError if the layer has one of the fields, which may be None."""
        for field in fields:
            if getattr(layer, field) is not None:
                raise ShapeError(f"{layer.where}: a {self.name} layer has no {field}")

    # Shapes.

    def axes(self, layer: "Layer", shape: MapShape) -> tuple[AxisWindow, AxisWindow]:
        """The window along rows and columns over an input of this shape."""
        top, bottom, left, right = layer.pad
        return (
            AxisWindow(shape[0], layer.kernel[0], layer.stride[0], (top, bottom), layer.dilation[0]),
            AxisWindow(shape[1], layer.kernel[1], layer.stride[1], (left, right), layer.dilation[1]),
        )

    def in_chans(self, layer: "Layer") -> int:
        """Channels of the input that a layer of one input takes."""
        return layer.cout

    def output_shape(self, layer: "Layer", shapes: Sequence[MapShape]) -> MapShape:
        """Shape of the output.

        Raises
        ------
        ShapeError
            The inputs do not fit: channels differ, no window fits, or a maximum has no position inside the map.
        """
        (shape,) = shapes
        if shape[2] != self.in_chans(layer):
            raise ShapeError(f"{layer.where}: takes {self.in_chans(layer)} channels, its input has {shape[2]}")
        rows, cols = axes = self.axes(layer, shape)
        if rows.n_out < 1 or cols.n_out < 1:
            raise ShapeError(f"{layer.where}: kernel {layer.kernel} does not fit the padded map of {shape[0]} x {shape[1]}")
        self.check_size(layer, (rows.n_out, cols.n_out, layer.cout))
        if self.maximum and any(positions_inside(*axis).min() < 1 for axis in axes):
            raise ShapeError(f"{layer.where}: a window of the maximum lies in the padding only")
        return rows.n_out, cols.n_out, layer.cout

    def check_size(self, layer: "Layer", shape: MapShape) -> None:
        """Raise ShapeError if a map has too many activations."""
        rows, cols, chans = shape
        if rows * cols * chans > MAX_MAP:
            raise ShapeError(f"{layer.where}: output of {rows} x {cols} x {chans} is more than {MAX_MAP} activations")

    # Arithmetic.

    @abstractmethod
    def accumulate(self, layer: "Layer", *sources: Acts) -> Sums:
        """The sums of a layer, bias included: (N, rows, cols, chans) each -> (N, out_rows, out_cols, cout)."""

    def cells(self, layer: "Layer", shapes: Sequence[MapShape]) -> int:
        """Cells of the largest array that ``accumulate`` makes for one image."""
        out_rows, out_cols, chans = self.output_shape(layer, shapes)
        return max(out_rows * out_cols * chans, *(rows * cols * chans for rows, cols, chans in shapes))

    @abstractmethod
    def bounds(self, layer: "Layer", limits: Sequence[Limits]) -> Limits:
        """Least and greatest value that a sum, bias included, and any part of it, can reach for inputs within ``limits``.

        Zero lies within the bounds, and so does every partial sum in every order of accumulation.
        """

    # Work.

    def dense_macs(self, layer: "Layer", shapes: Sequence[MapShape]) -> int:
        """Multiplications of a dense engine for one image, inside the map only::

        sum over inputs and windows of (kernel positions inside the map) x (input channels of an output channel) x cout
        """
        rows, cols = (int(positions_inside(*axis).sum()) for axis in self.axes(layer, shapes[0]))
        return rows * cols * layer.cout

    def fan_out(self, layer: "Layer", shapes: Sequence[MapShape], operand: int) -> npt.NDArray[np.int64]:
        """Multiplications that each activation of an input causes if it is not zero, (rows, cols, chans).

        The sum over nonzero activations is the number of effectual MACs; a pool counts the windows that hold the activation.
        """
        shape, axes = shapes[operand], self.axes(layer, shapes[operand])
        kept = self.weights_per_tap(layer, shapes, operand)
        (top, bottom), (left, right) = axes[0].pad, axes[1].pad
        fans = np.zeros((top + shape[0] + bottom, left + shape[1] + right, shape[2]), np.int64)
        for i, j, rows, cols in window_slices(axes):
            fans[rows, cols] += kept[i, j]
        inside: npt.NDArray[np.int64] = fans[top : top + shape[0], left : left + shape[1]]
        return inside

    def weights_per_tap(self, layer: "Layer", shapes: Sequence[MapShape], operand: int) -> npt.NDArray[np.int64]:
        """Nonzero weights of each kernel position and input channel, (kh, kw, chans)."""
        chans, first = shapes[operand][2], self.first_out(shapes, operand)
        weights = self.channel_weights(layer, shapes, operand, range(first, first + chans))
        per_tap: npt.NDArray[np.int64] = np.moveaxis(weights != 0, 0, 2).astype(np.int64)
        return per_tap

    # Lowering.

    def channelwise(self, layer: "Layer") -> bool:
        """Each output channel depends on one channel of an input only, ``channel_weights``; else ``weights`` are needed."""
        return not self.weighted

    def keeps_channels(self, layer: "Layer") -> bool | None:
        """Output channel o depends on channel o of each input; None if it depends on all, in whatever order they are."""
        return self.channelwise(layer)

    def first_out(self, shapes: Sequence[MapShape], operand: int) -> int:
        """Output channel that channel 0 of an input feeds."""
        return 0

    def connected(self, layer: "Layer", shapes: Sequence[MapShape], operand: int, outs: range) -> range:
        """Channels of an input that output channels ``outs`` depend on, perhaps none."""
        first = self.first_out(shapes, operand)
        return range(max(0, outs.start - first), max(0, min(shapes[operand][2], outs.stop - first)))

    def channel_weights(self, layer: "Layer", shapes: Sequence[MapShape], operand: int, outs: range) -> Acts:
        """Weights (len(outs), kh, kw) that output channels ``outs`` have for the one channel of an input that they see."""
        rows, cols = self.axes(layer, shapes[operand])
        return np.ones((len(outs), rows.kernel, cols.kernel), np.int8)

    def weights(self, layer: "Layer", shapes: Sequence[MapShape], operand: int, outs: range, ins: range) -> Acts:
        """Weights (len(outs), kh, kw, len(ins)) of output channels ``outs`` for ``ins`` of an input, 0 if unconnected."""
        weights = self.channel_weights(layer, shapes, operand, outs)
        result = np.zeros((*weights.shape, len(ins)), np.int8)
        fed = np.arange(ins.start, ins.stop) + self.first_out(shapes, operand)
        out, source = np.nonzero(np.arange(outs.start, outs.stop)[:, None] == fed)
        result[out, :, :, source] = weights[out]
        return result

    def largest_weight(self, layer: "Layer", shapes: Sequence[MapShape], operand: int) -> int:
        """Largest magnitude of a weight."""
        if layer.weight is not None:
            return int(np.abs(layer.weight).max())
        return int(np.abs(self.channel_weights(layer, shapes, operand, range(layer.cout))).max())


def window_slices(axes: tuple[AxisWindow, AxisWindow]) -> Iterator[tuple[int, int, slice, slice]]:
    """For each kernel position (i, j): the padded rows and columns that it meets, one for each window."""

    def met(axis: AxisWindow, entry: int) -> slice:
        first = entry * axis.dilation
        return slice(first, first + (axis.n_out - 1) * axis.stride + 1, axis.stride)

    rows, cols = axes
    for i in range(rows.kernel):
        for j in range(cols.kernel):
            yield i, j, met(rows, i), met(cols, j)


def padded(axes: tuple[AxisWindow, AxisWindow], acts: Acts, value: int = 0) -> Acts:
    """Maps with ``value`` around them."""
    pads = [axis.pad for axis in axes]
    return np.pad(acts, ((0, 0), *pads, (0, 0)), constant_values=value) if any(map(any, pads)) else acts


_KNOWN: dict[str, Operator] = {}


def register(operator: Operator) -> Operator:
    """Make an operator known by its name; that of another one is replaced."""
    _KNOWN[operator.name] = operator
    return operator


def named(name: str) -> Operator:
    """The operator of this name; GraphError if there is none."""
    if not isinstance(name, str) or name not in _KNOWN:
        raise GraphError(f"unknown kind {name!r}")
    return _KNOWN[name]
