"""The integer rescale between an accumulator and an activation, and the choice of its multiplier and shift."""

from math import frexp, isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from quiesce.sw.format.checks import ACT_MAX, MULTIPLIER_MAX, SHIFT_MAX
from quiesce.sw.format.errors import DtypeError, RangeError, ScaleError, ShapeError

__all__ = ["choose_multiplier", "requantize", "rescale"]

Integers = npt.NDArray[np.integer[Any]]


def rescale(acc: Any, multiplier: Any, shift: Any, low: int, high: int, threshold: int) -> Any:
    """The requantisation, rounding half up, of whatever has Python's operators and ``clip``: arrays of numpy or torch::

        q   = clip((acc * multiplier + half) >> shift, low, high)     half = 1 << (shift - 1), or 0 if shift is 0
        out = 0 if 0 <= q < threshold else q

    The only place where this stands for the integer arithmetic. Nothing is checked: see ``requantize``.

    Parameters
    ----------
    acc : integers of 64 bits, within int32
        At most 48 bits with the sign are needed, so nothing overflows.
    multiplier, shift : integers of 64 bits that broadcast with ``acc``
        1..65535 and 0..47.
    low, high, threshold : int
        As of ``requantize``.
    """
    q = ((acc * multiplier + ((1 << shift) >> 1)) >> shift).clip(low, high)
    return q * ((q < 0) | (q >= threshold)) if threshold else q


def requantize(
    acc: Integers, multiplier: Integers, shift: Integers, low: int, high: int, threshold: int = 0
) -> npt.NDArray[np.int8]:
    """Rescale accumulators to activations: ``rescale`` with all operands checked.

    Parameters
    ----------
    acc : ndarray of int, shape (..., C)
        Within int32.
    multiplier, shift : ndarray of int, shape (C,)
        1..65535 and 0..47.
    low, high : int
        Saturation, -127 <= low <= high <= 127.
    threshold : int
        0..127; above 0 only with ``low`` >= 0.

    Returns
    -------
    ndarray of int8, shape (..., C)

    Raises
    ------
    DtypeError, ShapeError, RangeError
        An operand is no integer array, does not fit the others, or is out of range.
    """
    for name, array in (("acc", acc), ("multiplier", multiplier), ("shift", shift)):
        if not np.issubdtype(array.dtype, np.integer):
            raise DtypeError(f"requantize: {name} is {array.dtype}, not an integer type")
    if acc.ndim < 1 or multiplier.shape != acc.shape[-1:] or shift.shape != acc.shape[-1:]:
        raise ShapeError(f"requantize: multiplier {multiplier.shape} and shift {shift.shape} do not fit acc {acc.shape}")
    _check_range(acc, -(1 << 31), (1 << 31) - 1, "acc")
    _check_range(multiplier, 1, MULTIPLIER_MAX, "multiplier")
    _check_range(shift, 0, SHIFT_MAX, "shift")
    if not -ACT_MAX <= low <= high <= ACT_MAX:
        raise RangeError(f"requantize: low {low} and high {high} are not ordered within -{ACT_MAX}..{ACT_MAX}")
    if not 0 <= threshold <= ACT_MAX or (threshold and low < 0):
        raise RangeError(f"requantize: threshold {threshold} is not in 0..{ACT_MAX}, or low {low} is negative")
    q = rescale(acc.astype(np.int64), multiplier.astype(np.int64), shift.astype(np.int64), low, high, threshold)
    acts: npt.NDArray[np.int8] = q.astype(np.int8)
    return acts


def _check_range(array: Integers, low: int, high: int, name: str) -> None:
    if array.size and not (low <= int(array.min()) and int(array.max()) <= high):
        raise RangeError(f"requantize: {name} reaches {array.min()}..{array.max()}, beyond {low}..{high}")


def choose_multiplier(real_scale: float) -> tuple[int, int]:
    """Multiplier and shift with ``multiplier / 2**shift`` nearest to a real factor, with 16 significant bits.

    The relative error is at most 2^-16: the multiplier is normalised to 32768..65535, except for factors so small that the
    shift is at its limit of 47, where the error is at most 2^-48 absolute.

    Parameters
    ----------
    real_scale : float
        ``in_scale * weight_scale / out_scale``, finite, 2^-48 < factor < 65535.5.

    Raises
    ------
    ScaleError
        The factor is not finite and positive, or no multiplier and shift represent it.
    """
    if not isfinite(real_scale) or real_scale <= 0:
        raise ScaleError(f"requantisation factor {real_scale!r} is not finite and positive")
    _, exponent = frexp(real_scale)
    shift = min(16 - exponent, SHIFT_MAX)
    if shift >= 0:
        multiplier = round(real_scale * 2.0**shift)
        if multiplier > MULTIPLIER_MAX:
            multiplier, shift = multiplier >> 1, shift - 1
        if multiplier >= 1 and shift >= 0:
            return multiplier, shift
    raise ScaleError(f"requantisation factor {real_scale!r} is not between 2^-48 and 65535.5")
