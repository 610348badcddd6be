"""Signed integers of a few bits, one after the other."""

import numpy as np
import numpy.typing as npt

from quiesce.sw.format.bitmask import pack_mask, unpack_mask

__all__ = ["MAX_WIDTH", "MIN_WIDTH", "pack_integers", "unpack_integers"]

MIN_WIDTH, MAX_WIDTH = 2, 16


def pack_integers(values: npt.NDArray[np.int16], width: int) -> npt.NDArray[np.uint8]:
    """The low ``width`` bits, 2..16, of each value, one after the other, lowest bit first; zeros to the end of the last byte."""
    if width == MAX_WIDTH:
        return values.view(np.uint8)
    if width == 8:
        return values.astype(np.int8).view(np.uint8)
    bits = np.unpackbits(values.view(np.uint8).reshape(-1, 2), axis=1, bitorder="little")[:, :width]
    return pack_mask(bits.ravel().view(np.bool_))


def unpack_integers(data: npt.NDArray[np.uint8], width: int, count: int) -> npt.NDArray[np.int16]:
    """Inverse of ``pack_integers``; PaddingError if a bit after the last value is set."""
    if width == MAX_WIDTH:
        return data.view("<i2")
    if width == 8:
        return data.view(np.int8).astype(np.int16)
    bits = np.zeros((count, MAX_WIDTH), np.bool_)
    bits[:, :width] = unpack_mask(data, count * width).reshape(count, width)
    bits[:, width:] = bits[:, width - 1 : width]  # sign
    return pack_mask(bits).view("<i2").ravel()
