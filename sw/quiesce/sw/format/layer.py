"""One layer of a quantised network: its integers, its window, and the checks that need no neighbour."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from quiesce.sw.format.checks import (
    ACT_MAX,
    ACT_WIDTHS,
    MAX_DIM,
    MAX_MAP,
    MULTIPLIER_MAX,
    SHIFT_MAX,
    WEIGHT_WIDTHS,
    check_bounds,
    check_clip,
    check_int,
    check_name,
    check_scale,
    check_tuple,
    check_width,
    largest,
)
from quiesce.sw.format.errors import DtypeError, GraphError, RangeError, ScaleError, ShapeError
from quiesce.sw.format.geometry import output_size, positions_inside

__all__ = ["Kind", "Layer", "MapShape", "MapSpec"]

MapShape = tuple[int, int, int]
"""Rows, columns and channels of a map."""


class Kind(str, Enum):
    """What a layer computes."""

    CONV = "conv"
    LINEAR = "linear"
    MAXPOOL = "maxpool"
    AVGPOOL = "avgpool"
    ADD = "add"
    """Weighted sum of maps of one shape."""
    CONCAT = "concat"
    """Channels of several maps of the same rows and columns, one map after the other."""

    @property
    def has_weights(self) -> bool:
        """Has weights per output channel, and a bias."""
        return self in (Kind.CONV, Kind.LINEAR)

    @property
    def joins(self) -> bool:
        """Reads several maps."""
        return self in (Kind.ADD, Kind.CONCAT)

    @property
    def max_inputs(self) -> int:
        """Most maps that a layer reads; those that join maps read at least two."""
        return {Kind.ADD: 8, Kind.CONCAT: 64}.get(self, 1)


@dataclass(frozen=True, kw_only=True)
class MapSpec:
    """The input map of a network: real value = ``scale`` x integer.

    Parameters
    ----------
    height, width, chans : int
        Rows, columns and channels, 1..65535, at most 2^28 activations in all.
    scale : float
        Real value of one step, finite and positive.
    low, high : int
        Range of the integers, within -127..127 (-7..7 at 4 bits).
    bits : int
        Bits of an activation in memory, 8 or 4.

    Raises
    ------
    FormatError
        DtypeError, RangeError or ScaleError with the field's name.
    """

    height: int
    width: int
    chans: int
    scale: float
    low: int = -ACT_MAX
    high: int = ACT_MAX
    bits: int = 8

    def __post_init__(self) -> None:
        for field in ("height", "width", "chans"):
            check_int(getattr(self, field), 1, MAX_DIM, f"input: {field}")
        if self.height * self.width * self.chans > MAX_MAP:
            raise RangeError(f"input: {self.height} x {self.width} x {self.chans} is more than {MAX_MAP} activations")
        check_scale(self.scale, "input: scale")
        check_width(self.bits, ACT_WIDTHS, "input: bits")
        check_clip(self.low, self.high, self.bits, "input")

    @property
    def shape(self) -> MapShape:
        return self.height, self.width, self.chans


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """One quantised layer::

        acc = bias[o] + sum activation x weight
        q   = clip((acc * multiplier[o] + half) >> shift[o], low, high)
        out = q if q >= threshold else 0

    with ``acc = sum_i weight[i] x_i[o]`` for ADD and ``acc[o]`` the o-th of all channels of the inputs for CONCAT. With
    ``winners``, only that many channels of ``out`` stay. Arrays are copied and made read-only. Linear layers, ADD and CONCAT
    leave the window fields at their defaults.

    Parameters
    ----------
    name : str
        1..64 letters, digits, ``_ . : -``; "input" is reserved.
    kind : Kind
        What the layer computes.
    inputs : tuple of str
        Names of the layers it reads, or "input" for the network's input: 2..8 for ADD, 2..64 for CONCAT, one for the other
        kinds. A name may occur more than once.
    weight : ndarray of int8 or None
        -127..127 (-7..7 at 4 bits, -1..1 at 2). Convolution: (cout, kh, kw, cin / groups). Linear: (cout, cin) over the
        input flattened in (row, col, chan) order. ADD: (inputs,), none of them zero. None for pools and CONCAT.
    bias : ndarray of int32 or None
        (cout,) in accumulator units; of convolutions and linear layers only.
    multiplier, shift : ndarray of int32
        (cout,), 1..65535 and 0..47. Maximum pooling has multiplier 1 and shift 0.
    weight_scale : ndarray of float32 or None
        (cout,) real value of one weight step, finite and positive; kept for reports, the arithmetic does not use it.
    out_scale : float
        Real value of one output step.
    kernel, stride, dilation : tuple of int
        Along rows and columns, at least 1. ``kernel`` repeats the extent of ``weight``.
    pad : tuple of int
        Zeros at top, bottom, left and right.
    groups : int
        Divides cin and cout; 1 for all but convolutions.
    weight_bits : int
        Bits of a weight in memory, 8, 4 or 2.
    bits : int
        Bits of an output activation in memory, 8 or 4.
    low, high, threshold : int
        Saturation within -127..127 (-7..7 at 4 bits), and the smallest output kept, 0..127 (above 0 only with ``low`` >= 0).
    winners : int
        Output channels that survive for each image (``winners.suppress_losers``), 1..cout, or 0: all. Needs ``low`` >= 0.

    Raises
    ------
    FormatError
        DtypeError, ShapeError, RangeError, ScaleError or GraphError with the layer's and the field's name.
    """

    name: str
    kind: Kind
    inputs: tuple[str, ...]
    weight: npt.NDArray[np.int8] | None = None
    bias: npt.NDArray[np.int32] | None = None
    multiplier: npt.NDArray[np.int32]
    shift: npt.NDArray[np.int32]
    weight_scale: npt.NDArray[np.float32] | None = None
    out_scale: float
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    weight_bits: int = 8
    bits: int = 8
    low: int = -ACT_MAX
    high: int = ACT_MAX
    threshold: int = 0
    winners: int = 0

    def __post_init__(self) -> None:
        check_name(self.name, "layer")
        if self.name == "input":
            raise GraphError("layer: the name 'input' is reserved for the network's input")
        where = f"layer {self.name!r}"
        if not isinstance(self.kind, Kind):
            raise DtypeError(f"{where}: kind {self.kind!r} is not a Kind")
        fewest, most = (2, self.kind.max_inputs) if self.kind.joins else (1, 1)
        if not isinstance(self.inputs, tuple) or not fewest <= len(self.inputs) <= most:
            wanted = f"{fewest}..{most} inputs" if self.kind.joins else "exactly one input"
            raise GraphError(f"{where}: {self.kind.value} reads {wanted}, not {self.inputs!r}")
        for name in self.inputs:
            check_name(name, f"{where}: inputs")
        check_width(self.weight_bits, WEIGHT_WIDTHS, f"{where}: weight_bits")
        check_width(self.bits, ACT_WIDTHS, f"{where}: bits")
        self._check_window(where)
        self._check_arrays(where)
        check_scale(self.out_scale, f"{where}: out_scale")
        check_clip(self.low, self.high, self.bits, where)
        check_int(self.threshold, 0, ACT_MAX, f"{where}: threshold")
        if self.threshold and self.low < 0:
            raise RangeError(f"{where}: threshold {self.threshold} needs low >= 0, not {self.low}")
        check_int(self.winners, 0, self.cout, f"{where}: winners")
        if self.winners and self.low < 0:
            raise RangeError(f"{where}: winners {self.winners} needs low >= 0, not {self.low}")

    def _check_window(self, where: str) -> None:
        for field in ("kernel", "stride", "dilation"):
            check_tuple(getattr(self, field), 2, 1, f"{where}: {field}")
        check_tuple(self.pad, 4, 0, f"{where}: pad")
        check_int(self.groups, 1, MAX_DIM, f"{where}: groups")
        if self.kind is not Kind.CONV and self.groups != 1:
            raise ShapeError(f"{where}: groups must be 1 in a {self.kind.value} layer")
        defaults = (self.kernel, self.stride, self.dilation, self.pad) == ((1, 1),) * 3 + ((0,) * 4,)
        if (self.kind is Kind.LINEAR or self.kind.joins) and not defaults:
            raise ShapeError(f"{where}: a {self.kind.value} layer has no kernel, stride, padding or dilation")

    def _check_arrays(self, where: str) -> None:
        chans = self._array("multiplier", np.int32, None, where).shape
        self._array("shift", np.int32, chans, where)
        check_bounds(self.multiplier, 1, MULTIPLIER_MAX, f"{where}: multiplier")
        check_bounds(self.shift, 0, SHIFT_MAX, f"{where}: shift")
        if self.kind is Kind.MAXPOOL and (np.any(self.multiplier != 1) or np.any(self.shift != 0)):
            raise RangeError(f"{where}: maximum pooling has multiplier 1 and shift 0")
        if not self.kind.has_weights:
            for field in ("bias", "weight_scale") if self.kind is Kind.ADD else ("weight", "bias", "weight_scale"):
                if getattr(self, field) is not None:
                    raise ShapeError(f"{where}: a {self.kind.value} layer has no {field}")
            if self.kind is Kind.ADD:
                weight = self._array("weight", np.int8, (len(self.inputs),), where)
                check_bounds(weight, -largest(self.weight_bits), largest(self.weight_bits), f"{where}: weight")
                if not weight.all():
                    raise RangeError(f"{where}: weight of an input is 0")
            return
        if self.weight is None or self.bias is None:
            raise ShapeError(f"{where}: a {self.kind.value} layer needs weight and bias")
        weight = self._array("weight", np.int8, None, where, ndim=4 if self.kind is Kind.CONV else 2)
        self._array("bias", np.int32, chans, where)
        if weight.shape[0] != chans[0]:
            raise ShapeError(f"{where}: weight has {weight.shape[0]} output channels, multiplier {chans[0]}")
        check_bounds(weight, -largest(self.weight_bits), largest(self.weight_bits), f"{where}: weight")
        if self.kind is Kind.CONV and weight.shape[1:3] != self.kernel:
            raise ShapeError(f"{where}: kernel is {self.kernel}, weight has {weight.shape[1:3]}")
        if chans[0] % self.groups:
            raise ShapeError(f"{where}: {self.groups} groups do not divide {chans[0]} output channels")
        if self.weight_scale is not None:
            scale = self._array("weight_scale", np.float32, chans, where)
            if not np.all(np.isfinite(scale) & (scale > 0)):
                raise ScaleError(f"{where}: weight_scale is not finite and positive in every channel")

    def _array(self, field: str, dtype: type, shape: tuple[int, ...] | None, where: str, ndim: int = 1) -> npt.NDArray[Any]:
        """Check a field's type and shape, and replace it by a read-only copy."""
        value = getattr(self, field)
        if not isinstance(value, np.ndarray) or value.dtype != dtype:
            found = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
            raise DtypeError(f"{where}: {field} is {found}, not an array of {np.dtype(dtype)}")
        if value.ndim != ndim or (shape is not None and value.shape != shape):
            raise ShapeError(f"{where}: {field} has shape {value.shape}, not {shape or f'{ndim} axes'}")
        if value.size == 0:
            raise ShapeError(f"{where}: {field} is empty")
        copy = np.array(value, order="C")
        copy.setflags(write=False)
        object.__setattr__(self, field, copy)
        return copy

    @property
    def cout(self) -> int:
        """Output channels."""
        return len(self.multiplier)

    def axes(self, shape: MapShape) -> tuple[tuple[int, int, int, tuple[int, int], int], ...]:
        """Arguments of ``geometry.output_size`` along rows and columns, for an input of this shape."""
        top, bottom, left, right = self.pad
        return (
            (shape[0], self.kernel[0], self.stride[0], (top, bottom), self.dilation[0]),
            (shape[1], self.kernel[1], self.stride[1], (left, right), self.dilation[1]),
        )

    def output_shape(self, *shapes: MapShape) -> MapShape:
        """Shape of the output for inputs of shapes ``(rows, cols, chans)``, one for each of ``inputs``.

        Raises
        ------
        ShapeError
            The inputs do not fit: channels differ, no window fits, a maximum has no position inside the map, or joined maps
            differ in rows or columns.
        """
        where = f"layer {self.name!r}"
        if self.kind.joins:
            return self._joined_shape(shapes, where)
        (shape,) = shapes
        rows, cols, chans = shape
        if self.kind is Kind.LINEAR:
            assert self.weight is not None
            if self.weight.shape[1] != rows * cols * chans:
                raise ShapeError(f"{where}: weight has {self.weight.shape[1]} inputs, the map {rows} x {cols} x {chans}")
            return 1, 1, self.cout
        expected = self.cout if self.weight is None else self.weight.shape[3] * self.groups
        if chans != expected:
            raise ShapeError(f"{where}: takes {expected} channels, its input has {chans}")
        out_rows, out_cols = (output_size(*axis) for axis in self.axes(shape))
        if out_rows < 1 or out_cols < 1:
            raise ShapeError(f"{where}: kernel {self.kernel} does not fit the padded map of {rows} x {cols}")
        if out_rows * out_cols * self.cout > MAX_MAP:
            raise ShapeError(f"{where}: output of {out_rows} x {out_cols} x {self.cout} is more than {MAX_MAP} activations")
        if self.kind is Kind.MAXPOOL and any(positions_inside(*axis).min() < 1 for axis in self.axes(shape)):
            raise ShapeError(f"{where}: a window of the maximum lies in the padding only")
        return out_rows, out_cols, self.cout

    def _joined_shape(self, shapes: tuple[MapShape, ...], where: str) -> MapShape:
        """``output_shape`` of ADD and CONCAT."""
        rows, cols, chans = shapes[0]
        for name, shape in zip(self.inputs, shapes, strict=True):
            if shape[:2] != (rows, cols) or (self.kind is Kind.ADD and shape[2] != chans):
                raise ShapeError(f"{where}: maps {self.inputs[0]!r} of {shapes[0]} and {name!r} of {shape} do not fit each other")
        if self.kind is Kind.CONCAT:
            chans = sum(shape[2] for shape in shapes)
        if chans != self.cout:
            raise ShapeError(f"{where}: multiplier has {self.cout} channels, the inputs {chans}")
        if rows * cols * chans > MAX_MAP:
            raise ShapeError(f"{where}: output of {rows} x {cols} x {chans} is more than {MAX_MAP} activations")
        return rows, cols, chans
