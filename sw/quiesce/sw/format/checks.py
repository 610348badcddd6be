"""Limits of the format, and checks of single fields that raise named errors."""

import re
from sys import float_info
from typing import Any

import numpy.typing as npt

from quiesce.sw.format.errors import DtypeError, GraphError, RangeError, ScaleError, ShapeError

__all__ = [
    "ACT_MAX", "ACT_WIDTHS", "DELTA_MAX", "MAX_DIM", "MAX_MAP", "MULTIPLIER_MAX", "SHIFT_MAX", "WEIGHT_WIDTHS",
    "check_bounds", "check_clip", "check_delta_threshold", "check_int", "check_name", "check_scale", "check_tuple",
    "check_width", "largest",
]  # fmt: skip

ACT_MAX = 127
"""Largest magnitude of an activation or a weight: -128 is never used."""
ACT_WIDTHS = (4, 8)
"""Bits that an activation may take in memory."""
DELTA_MAX = 2 * ACT_MAX
"""Largest magnitude of a change of an activation."""
WEIGHT_WIDTHS = (2, 4, 8)
"""Bits that a weight may take in memory."""
MULTIPLIER_MAX = (1 << 16) - 1
SHIFT_MAX = 47
MAX_DIM = 65535
"""Largest extent of any axis, kernel, stride, padding or dilation."""
MAX_MAP = 1 << 28
"""Most activations in one map."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}")


def largest(bits: int) -> int:
    """Largest magnitude in ``bits``; the most negative number is never used."""
    return (1 << (bits - 1)) - 1


def check_width(bits: object, allowed: tuple[int, ...], where: str) -> None:
    """Raise RangeError unless ``bits`` is one of the widths ``allowed``."""
    if isinstance(bits, bool) or not isinstance(bits, int) or bits not in allowed:
        raise RangeError(f"{where}: {bits!r} is not one of {', '.join(map(str, allowed))} bits")


def check_name(name: object, where: str) -> None:
    """Raise GraphError unless ``name`` is 1..64 letters, digits and ``_ . : -``, not starting with punctuation but ``_``."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise GraphError(f"{where}: {name!r} is not a name of 1..64 letters, digits, '_', '.', ':' or '-'")


def check_scale(scale: object, where: str) -> None:
    """Raise ScaleError unless ``scale`` is a finite positive real number."""
    if isinstance(scale, bool) or not isinstance(scale, (int, float)):
        raise ScaleError(f"{where}: {scale!r} is not a number")
    if not 0 < scale <= float_info.max:  # false for NaN too, and safe for integers beyond any float
        raise ScaleError(f"{where}: {scale!r} is not finite and positive")


def check_int(value: object, low: int, high: int, where: str) -> None:
    """Raise DtypeError unless ``value`` is an integer (no bool), RangeError unless it is in ``low..high``."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise DtypeError(f"{where}: {value!r} is not an integer")
    if not low <= value <= high:
        raise RangeError(f"{where}: {value} is not in {low}..{high}")


def check_clip(low: object, high: object, bits: int, where: str) -> None:
    """Raise DtypeError or RangeError unless ``low <= high`` are integers of at most ``bits``."""
    check_int(low, -largest(bits), largest(bits), f"{where}: low")
    check_int(high, -largest(bits), largest(bits), f"{where}: high")
    if low > high:  # type: ignore[operator]  # both are integers by now
        raise RangeError(f"{where}: low {low} is above high {high}")


def check_delta_threshold(threshold: object, low: int, high: int, where: str) -> None:
    """Raise DtypeError or RangeError unless ``threshold`` is None or an integer up to the range ``low..high``."""
    if threshold is None:
        return
    check_int(threshold, 0, DELTA_MAX, f"{where}: delta_threshold")
    if threshold > high - low:  # type: ignore[operator]  # an integer by now
        raise RangeError(f"{where}: delta_threshold {threshold} is a threshold that the map cannot hold, of {low}..{high}")


def check_tuple(value: object, length: int, low: int, where: str) -> None:
    """Raise ShapeError, DtypeError or RangeError unless ``value`` is a tuple of ``length`` integers in ``low..MAX_DIM``."""
    if not isinstance(value, tuple) or len(value) != length:
        raise ShapeError(f"{where}: {value!r} is not a tuple of {length} integers")
    for item in value:
        check_int(item, low, MAX_DIM, where)


def check_bounds(array: npt.NDArray[Any], low: int, high: int, where: str) -> None:
    """Raise RangeError unless all elements are in ``low..high``."""
    for value in (int(array.min()), int(array.max())):
        if not low <= value <= high:
            raise RangeError(f"{where}: {value} is not in {low}..{high}")
