"""One layer of a quantised network: its integers, its window, and the checks that need no neighbour."""

from dataclasses import dataclass
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
    check_delta_threshold,
    check_int,
    check_name,
    check_scale,
    check_tuple,
    check_width,
)
from quiesce.sw.format.errors import DtypeError, GraphError, RangeError, ShapeError
from quiesce.sw.format.geometry import AxisWindow, MapShape
from quiesce.sw.format.ops import Operator

__all__ = ["Layer", "MapSpec"]


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
    delta_threshold : int or None
        In a stream of items, changes of at most so many steps are held back: 0..``high - low``. None: none ever is.

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
    delta_threshold: int | None = None

    def __post_init__(self) -> None:
        for field in ("height", "width", "chans"):
            check_int(getattr(self, field), 1, MAX_DIM, f"input: {field}")
        if self.height * self.width * self.chans > MAX_MAP:
            raise RangeError(f"input: {self.height} x {self.width} x {self.chans} is more than {MAX_MAP} activations")
        check_scale(self.scale, "input: scale")
        check_width(self.bits, ACT_WIDTHS, "input: bits")
        check_clip(self.low, self.high, self.bits, "input")
        check_delta_threshold(self.delta_threshold, self.low, self.high, "input")

    @property
    def shape(self) -> MapShape:
        return self.height, self.width, self.chans


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """One quantised layer: sums as its operator says, ``op.accumulate``, and for all operators alike::

        out = requantize(acc, multiplier, shift, low, high, threshold)

    With ``winners``, only that many channels of ``out`` stay. Arrays are copied and made read-only. Layers whose operator is not
    ``windowed`` (linear, add, concat) leave the window fields at their defaults.

    Parameters
    ----------
    name : str
        1..64 letters, digits, ``_ . : -``; "input" is reserved.
    op : Operator
        What the layer computes, see ``quiesce.sw.format.ops``.
    inputs : tuple of str
        Names of the layers it reads, or "input" for the network's input: as many as the operator takes. A name may occur more
        than once.
    weight : ndarray of int8 or None
        -127..127 (-7..7 at 4 bits, -1..1 at 2), of the shape that the operator says.
    bias : ndarray of int32 or None
        (cout,) in accumulator units; of weighted operators only.
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
    delta_threshold : int or None
        In a stream of items, changes of an output by at most so many steps are held back: 0..``high - low``. None, as where
        there are winners: none ever is.

    Raises
    ------
    FormatError
        DtypeError, ShapeError, RangeError, ScaleError or GraphError with the layer's and the field's name.
    """

    name: str
    op: Operator
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
    delta_threshold: int | None = None

    def __post_init__(self) -> None:
        check_name(self.name, "layer")
        if self.name == "input":
            raise GraphError("layer: the name 'input' is reserved for the network's input")
        if not isinstance(self.op, Operator):
            raise DtypeError(f"{self.where}: op {self.op!r} is not an Operator")
        fewest, most = self.op.min_inputs, self.op.max_inputs
        if not isinstance(self.inputs, tuple) or not fewest <= len(self.inputs) <= most:
            wanted = f"{fewest}..{most} inputs" if most > 1 else "exactly one input"
            raise GraphError(f"{self.where}: {self.op.name} reads {wanted}, not {self.inputs!r}")
        for name in self.inputs:
            check_name(name, f"{self.where}: inputs")
        check_width(self.weight_bits, WEIGHT_WIDTHS, f"{self.where}: weight_bits")
        check_width(self.bits, ACT_WIDTHS, f"{self.where}: bits")
        self._check_window()
        chans = self.checked_array("multiplier", np.int32, None).shape
        self.checked_array("shift", np.int32, chans)
        check_bounds(self.multiplier, 1, MULTIPLIER_MAX, f"{self.where}: multiplier")
        check_bounds(self.shift, 0, SHIFT_MAX, f"{self.where}: shift")
        self.op.check(self)
        check_scale(self.out_scale, f"{self.where}: out_scale")
        check_clip(self.low, self.high, self.bits, self.where)
        check_int(self.threshold, 0, ACT_MAX, f"{self.where}: threshold")
        if self.threshold and self.low < 0:
            raise RangeError(f"{self.where}: threshold {self.threshold} needs low >= 0, not {self.low}")
        check_int(self.winners, 0, self.cout, f"{self.where}: winners")
        if self.winners and self.low < 0:
            raise RangeError(f"{self.where}: winners {self.winners} needs low >= 0, not {self.low}")
        check_delta_threshold(self.delta_threshold, self.low, self.high, self.where)
        if self.winners and self.delta_threshold is not None:
            raise RangeError(f"{self.where}: delta_threshold {self.delta_threshold} cannot be had with winners")

    def _check_window(self) -> None:
        for field in ("kernel", "stride", "dilation"):
            check_tuple(getattr(self, field), 2, 1, f"{self.where}: {field}")
        check_tuple(self.pad, 4, 0, f"{self.where}: pad")
        check_int(self.groups, 1, MAX_DIM, f"{self.where}: groups")
        if not (self.op.weighted and self.op.windowed) and self.groups != 1:
            raise ShapeError(f"{self.where}: groups must be 1 in a {self.op.name} layer")
        defaults = (self.kernel, self.stride, self.dilation, self.pad) == ((1, 1),) * 3 + ((0,) * 4,)
        if not self.op.windowed and not defaults:
            raise ShapeError(f"{self.where}: a {self.op.name} layer has no kernel, stride, padding or dilation")

    def checked_array(self, field: str, dtype: type, shape: tuple[int, ...] | None, ndim: int = 1) -> npt.NDArray[Any]:
        """Check a field's type and shape, and replace it by a read-only copy.

        Raises
        ------
        DtypeError, ShapeError
            The field is no such array.
        """
        value = getattr(self, field)
        if not isinstance(value, np.ndarray) or value.dtype != dtype:
            found = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
            raise DtypeError(f"{self.where}: {field} is {found}, not an array of {np.dtype(dtype)}")
        if value.ndim != ndim or (shape is not None and value.shape != shape):
            raise ShapeError(f"{self.where}: {field} has shape {value.shape}, not {shape or f'{ndim} axes'}")
        if value.size == 0:
            raise ShapeError(f"{self.where}: {field} is empty")
        copy = np.array(value, order="C")
        copy.setflags(write=False)
        object.__setattr__(self, field, copy)
        return copy

    @property
    def where(self) -> str:
        """Which layer, for messages."""
        return f"layer {self.name!r}"

    @property
    def cout(self) -> int:
        """Output channels."""
        return len(self.multiplier)

    def axes(self, shape: MapShape) -> tuple[AxisWindow, AxisWindow]:
        """The window along rows and columns, for an input of this shape."""
        return self.op.axes(self, shape)

    def output_shape(self, *shapes: MapShape) -> MapShape:
        """Shape of the output for inputs of shapes ``(rows, cols, chans)``, one for each of ``inputs``; see ``Operator``."""
        return self.op.output_shape(self, shapes)
