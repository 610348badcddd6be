"""Sizes and addresses of row records and of the maps that they make up (docs/reference/records.md)."""

from dataclasses import dataclass

from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.checksums import CHECK_BYTES
from quiesce.sw.format.checks import ACT_WIDTHS, DELTA_MAX, check_width, largest
from quiesce.sw.format.errors import ShapeError
from quiesce.sw.format.geometry import MapShape

__all__ = ["MapLayout", "RowLayout", "align", "channel_pitch", "value_pitch"]

_ALIGN = 16
_VALUE_WIDTHS = (*ACT_WIDTHS, 16)
"""Bits that a value may take: an activation, or a change of one, which takes twice as many where the map has both signs."""


def align(n_bytes: int) -> int:
    """Next multiple of 16 bytes."""
    return ceil_div(n_bytes, _ALIGN) * _ALIGN


def channel_pitch(chans: int) -> int:
    """Mask bits per pixel of a plane of ``chans`` >= 1 channels: next power of two up to 64, else multiple of 64."""
    if chans < 1:
        raise ShapeError(f"channel pitch: a plane has at least one channel, not {chans}")
    return 1 << (chans - 1).bit_length() if chans <= 64 else ceil_div(chans, 64) * 64


def value_pitch(chans: int) -> int:
    """Values per pixel of a dense plane of ``chans`` >= 1 channels: next power of two up to 8, else multiple of 8."""
    if chans < 1:
        raise ShapeError(f"value pitch: a plane has at least one channel, not {chans}")
    return 1 << (chans - 1).bit_length() if chans <= 8 else ceil_div(chans, 8) * 8


@dataclass(frozen=True, kw_only=True)
class RowLayout:
    """Sizes, in bytes, of a row record of ``width`` pixels in a plane of ``chans`` channels, ``bits`` (4, 8 or 16) a value.

    A ``dense`` record has no mask but all values, the channels of a pixel filled up with zeros to ``value_pitch``.

    With a ``checked_beat``, in bytes, mask and values fill whole beats, and the last two bytes of each (but of no values) are its
    ``record_check``.
    """

    width: int
    chans: int
    bits: int = 8
    dense: bool = False
    checked_beat: int = 0

    def __post_init__(self) -> None:
        if self.width < 1 or self.chans < 1:
            raise ShapeError(f"row of {self.width} pixels x {self.chans} channels: both are at least 1")
        check_width(self.bits, _VALUE_WIDTHS, "row: value")

    @property
    def largest(self) -> int:
        """Largest magnitude of a value."""
        return min(largest(self.bits), DELTA_MAX)

    @property
    def pitch(self) -> int:
        """Mask bits per pixel; values if dense."""
        return value_pitch(self.chans) if self.dense else channel_pitch(self.chans)

    @property
    def mask_bytes(self) -> int:
        return 0 if self.dense else ceil_div(self.width * self.pitch, 8)

    @property
    def mask_part(self) -> int:
        """Mask and its check."""
        return self.with_check(self.mask_bytes)

    def with_check(self, n_bytes: int) -> int:
        """Bytes that some take with their check."""
        beat = self.checked_beat
        return ceil_div(n_bytes + CHECK_BYTES, beat) * beat if beat and n_bytes else n_bytes

    @property
    def most_values(self) -> int:
        """Values of a row without a zero."""
        return self.width * (self.pitch if self.dense else self.chans)

    @property
    def value_offset(self) -> int:
        """From the start of the record to its packed values."""
        return align(self.mask_part)

    @property
    def row_stride(self) -> int:
        """From one record to the next: room for a row without a zero."""
        return self.value_offset + align(self.with_check(ceil_div(self.most_values * self.bits, 8)))


@dataclass(frozen=True, kw_only=True)
class MapLayout:
    """Planes and addresses of a map of ``shape`` (rows, cols, chans), cut every ``plane_chans`` channels, ``bits`` a value.

    All planes have the same row layout, ``dense`` or not, with checks or not (see `RowLayout`); channels that the last one lacks
    are zeros.
    """

    shape: MapShape
    plane_chans: int
    bits: int = 8
    dense: bool = False
    checked_beat: int = 0

    def __post_init__(self) -> None:
        if self.plane_chans < 1 or min(self.shape) < 1:
            raise ShapeError(f"map {self.shape} in planes of {self.plane_chans} channels: all are at least 1")

    @property
    def n_planes(self) -> int:
        return ceil_div(self.shape[2], self.plane_chans)

    @property
    def row(self) -> RowLayout:
        """Layout of the row records."""
        return RowLayout(
            width=self.shape[1], chans=min(self.plane_chans, self.shape[2]), bits=self.bits, dense=self.dense,
            checked_beat=self.checked_beat,
        )  # fmt: skip

    @property
    def plane_stride(self) -> int:
        """Bytes from one plane to the next."""
        return self.shape[0] * self.row.row_stride

    @property
    def map_bytes(self) -> int:
        return self.n_planes * self.plane_stride
