"""Self-describing bytes of one sparse integer tensor: header, mask bits, packed nonzeros (docs/reference/files.md)."""

import struct
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from quiesce.spec.arithmetic import ceil_div
from quiesce.sw.format.bitmask import pack_mask, unpack_mask
from quiesce.sw.format.errors import (
    DtypeError,
    MagicError,
    MaskError,
    PaddingError,
    RangeError,
    ShapeError,
    SizeLimitError,
    TruncatedError,
    VersionError,
)
from quiesce.sw.format.integers import MAX_WIDTH, MIN_WIDTH, pack_integers, unpack_integers

__all__ = ["MAX_AXES", "MAX_ELEMENTS", "TENSOR_MAGIC", "TENSOR_VERSION", "decode_tensor", "encode_tensor"]

TENSOR_MAGIC = b"QSPT"
TENSOR_VERSION = 1
MAX_AXES = 8
MAX_ELEMENTS = 1 << 28

_HEADER = struct.Struct("<4sBBBxI")
"""Magic, version, width, axes, a zero byte, nonzeros; the shape follows, 32 bits an axis."""

Integers = npt.NDArray[np.integer[Any]]


def encode_tensor(tensor: Integers, width: int = 8) -> bytes:
    """Header, mask and packed nonzeros of a tensor, in row-major order.

    Parameters
    ----------
    tensor : ndarray of int
        1..8 axes, 1..2^28 elements, within ``-(2^(width-1) - 1) .. 2^(width-1) - 1``.
    width : int
        Bits of a stored value, 2..16.

    Raises
    ------
    DtypeError, ShapeError, SizeLimitError, RangeError
        The tensor or the width is outside these limits.
    """
    if not np.issubdtype(tensor.dtype, np.integer):
        raise DtypeError(f"tensor: {tensor.dtype} is not an integer type")
    _check_header(width, tensor.shape)
    limit = (1 << (width - 1)) - 1
    if tensor.min() < -limit or tensor.max() > limit:
        raise RangeError(f"tensor: values reach {tensor.min()}..{tensor.max()}, beyond {width} bits (-{limit}..{limit})")
    flat = tensor.ravel()
    values = flat[flat != 0].astype("<i2")
    header = _HEADER.pack(TENSOR_MAGIC, TENSOR_VERSION, width, tensor.ndim, len(values))
    return b"".join((
        header,
        struct.pack(f"<{tensor.ndim}I", *tensor.shape),
        pack_mask(flat != 0).tobytes(),
        pack_integers(values, width).tobytes(),
    ))  # fmt: skip


def _check_header(width: int, shape: tuple[int, ...]) -> None:
    if not MIN_WIDTH <= width <= MAX_WIDTH:
        raise DtypeError(f"tensor: width of {width} bits is not in {MIN_WIDTH}..{MAX_WIDTH}")
    if not 1 <= len(shape) <= MAX_AXES:
        raise ShapeError(f"tensor: {len(shape)} axes, not 1..{MAX_AXES}")
    if min(shape) < 1:
        raise ShapeError(f"tensor: an axis of shape {shape} is empty")
    if prod(shape) > MAX_ELEMENTS:
        raise SizeLimitError(f"tensor: shape {shape} has more than {MAX_ELEMENTS} elements")


def decode_tensor(data: bytes) -> Integers:
    """Inverse of ``encode_tensor``: int8 up to 8 bits of width, else int16.

    Nothing is allocated before the lengths in the header have been compared with the bytes that exist.

    Raises
    ------
    MagicError, VersionError, DtypeError, ShapeError, SizeLimitError, TruncatedError
        The header is not one of this format, or announces other sizes than the data have.
    MaskError, PaddingError, RangeError
        Mask and count of values differ, a stored value is zero, padding is not, or a value is the most negative one.
    """
    if data[:4] != TENSOR_MAGIC[: len(data)]:
        raise MagicError(f"tensor: starts with {bytes(data[:4])!r}, not {TENSOR_MAGIC!r}")
    if len(data) < _HEADER.size:
        raise TruncatedError(f"tensor: {len(data)} bytes, the header alone has {_HEADER.size}")
    _, version, width, n_axes, n_values = _HEADER.unpack_from(data)
    if version != TENSOR_VERSION:
        raise VersionError(f"tensor: version {version} is not {TENSOR_VERSION}")
    if data[7]:
        raise PaddingError(f"tensor: reserved header byte 7 is {data[7]}, not 0")
    if not 1 <= n_axes <= MAX_AXES:
        raise ShapeError(f"tensor: {n_axes} axes, not 1..{MAX_AXES}")
    mask_start = _HEADER.size + 4 * n_axes
    if len(data) < mask_start:
        raise TruncatedError(f"tensor: {len(data)} bytes end within the shape of {n_axes} axes")
    shape = struct.unpack_from(f"<{n_axes}I", data, _HEADER.size)
    _check_header(width, shape)
    n_elements = prod(shape)
    if n_values > n_elements:
        raise SizeLimitError(f"tensor: {n_values} nonzeros in shape {shape}")
    value_start = mask_start + ceil_div(n_elements, 8)
    end = value_start + ceil_div(n_values * width, 8)
    if len(data) < end:
        raise TruncatedError(f"tensor: {len(data)} bytes, {end} needed for shape {shape} with {n_values} nonzeros")
    if len(data) > end:
        raise SizeLimitError(f"tensor: {len(data) - end} bytes after the end at {end}")
    content = np.frombuffer(data, np.uint8)
    mask = unpack_mask(content[mask_start:value_start], n_elements)
    if np.count_nonzero(mask) != n_values:
        raise MaskError(f"tensor: mask has {np.count_nonzero(mask)} bits set, the header says {n_values} nonzeros")
    values = unpack_integers(content[value_start:], width, n_values)
    if not values.all():
        raise MaskError("tensor: a value that the mask marks nonzero is zero")
    if np.any(values == -(1 << (width - 1))):
        raise RangeError(f"tensor: value {-(1 << (width - 1))} is not used at {width} bits")
    tensor = np.zeros(n_elements, np.int8 if width <= 8 else np.int16)
    tensor[mask] = values
    return tensor.reshape(shape)
