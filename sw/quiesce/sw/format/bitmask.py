"""Bitmask words and packed nonzeros: the layout of activations in memory (docs/reference/records.md)."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.checksums import CHECK_BYTES, record_check
from quiesce.sw.format.checks import check_bounds
from quiesce.sw.format.errors import CheckError, DtypeError, MaskError, PaddingError, ShapeError, TruncatedError
from quiesce.sw.format.layouts import MapLayout, RowLayout

__all__ = ["decode_maps", "encode_maps", "pack_mask", "unpack_mask"]

Bytes = npt.NDArray[np.uint8]
Values = npt.NDArray[np.signedinteger[Any]]
"""Activations, or changes of activations."""


def pack_mask(bits: npt.NDArray[np.bool_]) -> Bytes:
    """Bits along the last axis into bytes, lowest bit first, the last byte filled with zeros: (..., n) -> (..., ceil(n / 8))."""
    return np.packbits(bits, axis=-1, bitorder="little")


def unpack_mask(mask: Bytes, n_bits: int) -> npt.NDArray[np.bool_]:
    """Inverse of ``pack_mask``; PaddingError if a bit beyond ``n_bits`` is set, ShapeError if there are fewer bits."""
    bits = np.unpackbits(mask, axis=-1, bitorder="little").view(np.bool_)
    if bits.shape[-1] < n_bits:
        raise ShapeError(f"mask: {mask.shape[-1]} bytes hold fewer than {n_bits} bits")
    if bits[..., n_bits:].any():
        raise PaddingError(f"mask: a bit beyond the last of {n_bits} is set")
    return bits[..., :n_bits]


def _value_type(bits: int) -> str:
    return "<i2" if bits == 16 else "i1"


def _join_values(values: Values, bits: int) -> Bytes:
    """The low ``bits`` of values of ``_value_type`` along the last axis, the low part first: (..., n) -> (..., n bits / 8)."""
    data = values.view(np.uint8)
    joined: Bytes = data[..., ::2] & np.uint8(15) | data[..., 1::2] << np.uint8(4) if bits == 4 else data
    return joined


def _split_values(data: Bytes, bits: int) -> Values:
    """Inverse of ``_join_values``, sign-extended: (..., n) -> (..., 8 n / bits)."""
    if bits != 4:
        return data.view(_value_type(bits))
    nibbles = np.stack((data & 15, data >> 4), axis=-1).reshape(*data.shape[:-1], 2 * data.shape[-1])
    return (nibbles ^ 8).view(np.int8) - np.int8(8)


def _encode_rows(acts: Values, layout: RowLayout) -> Bytes:
    """(rows, width, chans) -> (rows, row_stride), zeros after the values."""
    if layout.dense:
        return _encode_dense(acts, layout)
    nonzero = acts != 0
    rows = np.zeros((len(acts), layout.row_stride), np.uint8)
    bits = np.zeros((len(acts), layout.width, layout.pitch), np.bool_)
    bits[:, :, : layout.chans] = nonzero
    rows[:, : layout.mask_bytes] = pack_mask(bits.reshape(len(acts), layout.width * layout.pitch))
    counts = np.count_nonzero(nonzero, axis=(1, 2))
    most = (layout.row_stride - layout.value_offset) * 8 // layout.bits
    values = np.zeros((len(acts), most), _value_type(layout.bits))
    values[np.arange(most) < counts[:, None]] = acts[nonzero]
    rows[:, layout.value_offset :] = _join_values(values, layout.bits)
    for row, first, end in _checked_parts(rows, counts, layout):
        rows[row, end - CHECK_BYTES : end] = np.frombuffer(record_check(rows[row, first:end].tobytes()), np.uint8)
    return rows


def _decode_rows(rows: Bytes, layout: RowLayout) -> Values:
    """(rows, row_stride) -> (rows, width, chans)."""
    if layout.dense:
        return _decode_dense(rows, layout)
    counts = np.unpackbits(rows[:, : layout.mask_bytes], axis=1).sum(axis=1)
    for row, first, end in _checked_parts(rows, counts, layout):
        part = rows[row, first:end].tobytes()
        if record_check(part[:-CHECK_BYTES] + bytes(CHECK_BYTES)) != part[-CHECK_BYTES:]:
            raise CheckError(f"row record {row}: the check of its {'values' if first else 'mask'} does not fit")
    bits = unpack_mask(rows[:, : layout.mask_bytes], layout.width * layout.pitch)
    bits = bits.reshape(len(rows), layout.width, layout.pitch)
    if bits[:, :, layout.chans :].any():
        raise PaddingError(f"row record: a mask bit of a channel beyond the {layout.chans} of the plane is set")
    nonzero = bits[:, :, : layout.chans]
    counts = np.count_nonzero(nonzero, axis=(1, 2))
    split = _split_values(rows[:, layout.value_offset :], layout.bits)
    values = split[np.arange(split.shape[1]) < counts[:, None]]
    if not values.all():
        raise MaskError("row record: a value that the mask marks nonzero is zero")
    if values.size:
        check_bounds(values, -layout.largest, layout.largest, "row record")
    acts = np.zeros(nonzero.shape, values.dtype)
    acts[nonzero] = values
    return acts


def _checked_parts(rows: Bytes, counts: npt.NDArray[np.integer], layout: RowLayout) -> Iterator[tuple[int, int, int]]:
    """Row, first byte and end of each part that ends with a check, of rows with ``counts`` values; masks first."""
    for row, count in enumerate(counts.tolist() if layout.checked_beat else ()):
        yield row, 0, layout.mask_part
        end = min(layout.value_offset + layout.with_check(ceil_div(count * layout.bits, 8)), rows.shape[1])
        if count:
            yield row, layout.value_offset, end


def _encode_dense(acts: Values, layout: RowLayout) -> Bytes:
    values = np.zeros((len(acts), layout.row_stride * 8 // layout.bits), _value_type(layout.bits))
    pixels = values[:, : layout.most_values].reshape(len(acts), layout.width, layout.pitch)
    pixels[:, :, : layout.chans] = acts
    values[:, : layout.most_values] = pixels.reshape(len(acts), layout.most_values)
    return _join_values(values, layout.bits)


def _decode_dense(rows: Bytes, layout: RowLayout) -> Values:
    values = _split_values(rows, layout.bits)[:, : layout.most_values]
    if values.size:
        check_bounds(values, -layout.largest, layout.largest, "row record")
    pixels = values.reshape(len(rows), layout.width, layout.pitch)
    if pixels[:, :, layout.chans :].any():
        raise PaddingError(f"row record: a channel beyond the {layout.chans} of the plane is not zero")
    acts: Values = np.ascontiguousarray(pixels[:, :, : layout.chans])
    return acts


def encode_maps(acts: Values, layout: MapLayout) -> Bytes:
    """Encode a batch of maps.

    Parameters
    ----------
    acts : ndarray of int8 or int16, shape (N, rows, cols, chans)
        Activations or their changes, within -127..127, -7..7 at 4 bits, or -254..254 at 16.
    layout : MapLayout
        Of each map.

    Returns
    -------
    ndarray of uint8, shape (N, map_bytes)
        Undefined bytes are zero.

    Raises
    ------
    DtypeError, ShapeError, RangeError
        The maps are not what the layout is of.
    """
    if acts.dtype not in (np.int8, np.int16):
        raise DtypeError(f"activations: {acts.dtype} is neither int8 nor int16")
    if acts.shape[1:] != layout.shape:
        raise ShapeError(f"activations: shape {acts.shape} is not (N, {', '.join(map(str, layout.shape))})")
    if acts.size:
        check_bounds(acts, -layout.row.largest, layout.row.largest, "activations")
    (height, width, chans), row, n_planes = layout.shape, layout.row, layout.n_planes
    padded = np.zeros((len(acts), height, width, n_planes * row.chans), acts.dtype)
    padded[..., :chans] = acts
    planes = padded.reshape(len(acts), height, width, n_planes, row.chans).transpose(0, 3, 1, 2, 4)
    return _encode_rows(planes.reshape(-1, width, row.chans), row).reshape(len(acts), layout.map_bytes)


def decode_maps(data: Bytes, layout: MapLayout) -> Values:
    """Inverse of ``encode_maps``: uint8 (N, at least map_bytes) -> int8 (N, rows, cols, chans), or int16 at 16 bits.

    Raises
    ------
    DtypeError, TruncatedError, PaddingError, MaskError, RangeError, CheckError
        The data do not hold maps of this layout.
    """
    height, width, chans = layout.shape
    if data.dtype != np.uint8 or data.ndim != 2:
        raise DtypeError(f"maps: {data.dtype} of shape {data.shape} is not uint8 (N, bytes)")
    if data.shape[1] < layout.map_bytes:
        raise TruncatedError(f"map of {layout.shape}: {data.shape[1]} bytes, {layout.map_bytes} needed")
    rows = data[:, : layout.map_bytes].reshape(-1, layout.row.row_stride)
    planes = _decode_rows(rows, layout.row).reshape(len(data), layout.n_planes, height, width, layout.row.chans)
    acts: Values = planes.transpose(0, 2, 3, 1, 4).reshape(len(data), height, width, layout.n_planes * layout.row.chans)
    if acts[..., chans:].any():
        raise PaddingError(f"map of {layout.shape}: a channel beyond the last is not zero")
    return np.ascontiguousarray(acts[..., :chans])
