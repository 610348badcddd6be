"""What a map sends in a stream, and what it holds back."""

import numpy as np
import numpy.typing as npt

from quiesce.sw.format.checks import MAX_DIM, check_int

__all__ = ["FLOOR_MAX", "Acts", "check_dilation", "check_floor", "send"]

Acts = npt.NDArray[np.int8]

FLOOR_MAX = 255
"""Of register DELTA_THRESHOLD."""


def check_floor(floor: int) -> None:
    """Raise DtypeError or RangeError unless ``floor`` is in 0..255."""
    check_int(floor, 0, FLOOR_MAX, "floor of the delta thresholds")


def check_dilation(dilation: int | None) -> None:
    """Raise DtypeError or RangeError unless ``dilation`` is None or not negative."""
    if dilation is not None:
        check_int(dilation, 0, MAX_DIM, "dilation")


def send(acts: Acts, before: Acts | None, threshold: int | None, *, dilation: int | None = None) -> Acts:
    """What was sent last after each of T items of B streams::

        sent[t] = acts[t]       where |acts[t] - sent[t - 1]| > threshold, everywhere in the first item or if threshold is None
        sent[t] = sent[t - 1]   elsewhere

    With a ``dilation`` d, pixels are sent as a whole: those of which a channel changes by more than the threshold, and those
    within d rows and columns of such a pixel.

    Parameters
    ----------
    acts : ndarray of int8, shape (B, T, rows, cols, chans)
    before : ndarray of int8, shape (B, rows, cols, chans), or None
        What was sent before the first of the items; None: it begins a stream.
    threshold : int or None
    dilation : int or None

    Returns
    -------
    ndarray of int8, shape (B, T, rows, cols, chans)
        Within ``threshold`` of ``acts``; perhaps ``acts`` itself.
    """
    if not threshold:
        return acts
    sent = acts.copy()
    for index in range(acts.shape[1]):
        now = sent[:, index]
        if before is not None:
            held = np.abs(now.astype(np.int16) - before) <= threshold
            if dilation is not None:
                held = ~_dilated(~held.all(axis=3), dilation)[..., None]
            np.copyto(now, before, where=held)
        before = now
    return sent


def _dilated(pixels: npt.NDArray[np.bool_], dilation: int) -> npt.NDArray[np.bool_]:
    """Pixels (B, rows, cols) within ``dilation`` rows and columns of one that is set."""
    for axis in (1, 2):
        reach = min(dilation, pixels.shape[axis] - 1)
        pads = [(reach, reach) if each == axis else (0, 0) for each in range(3)]
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(pixels, pads), 2 * reach + 1, axis=axis)
        pixels = np.any(windows, axis=3, out=np.empty_like(pixels))
    return pixels
