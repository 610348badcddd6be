"""Maps too wide for a core, as strips of columns that are stored one after the other."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.config import CoreConfig
from quiesce.sw.compiler.tile.partition import parts
from quiesce.sw.format.bitmask import decode_maps, encode_maps
from quiesce.sw.format.geometry import MapShape
from quiesce.sw.format.layouts import MapLayout

__all__ = ["StripedLayout", "strips_of"]

Values = npt.NDArray[np.int8] | npt.NDArray[np.int16]
"""Activations, or changes of activations."""


def strips_of(config: CoreConfig, width: int, computed: bool) -> tuple[range, ...]:
    """Columns of the strips of a map ``width`` columns wide: as few as possible, of nearly equal width.

    A strip is at most ``max_cols`` wide, and if it is ``computed`` by the core, one row of partial sums must fit.
    """
    most = min(config.max_cols, config.acc_depth) if computed else config.max_cols
    return tuple(parts(width, ceil_div(width, most)))


@dataclass(frozen=True, kw_only=True)
class StripedLayout:
    """Where a map lies: each strip of columns as a map of its own.

    Members
    -------
    whole : layout of the map if it were not cut
    strips : their columns
    """

    whole: MapLayout
    strips: tuple[range, ...]

    @property
    def shape(self) -> MapShape:
        """Of the map."""
        return self.whole.shape

    @property
    def plane_chans(self) -> int:
        """Channels of a plane, of all strips."""
        return self.whole.plane_chans

    @cached_property
    def layouts(self) -> tuple[MapLayout, ...]:
        """Of the strips."""
        rows, _, chans = self.shape
        return tuple(replace(self.whole, shape=(rows, len(cols), chans)) for cols in self.strips)

    def offset(self, strip: int) -> int:
        """Bytes from the start of the map to a strip."""
        return sum(layout.map_bytes for layout in self.layouts[:strip])

    @property
    def map_bytes(self) -> int:
        return self.offset(len(self.strips))

    def encode(self, acts: Values) -> npt.NDArray[np.uint8]:
        """Maps (N, rows, cols, chans) as bytes (N, map_bytes)."""
        encoded = [
            encode_maps(acts[:, :, cols.start : cols.stop], layout)
            for cols, layout in zip(self.strips, self.layouts, strict=True)
        ]
        return np.concatenate(encoded, axis=1)

    def decode(self, data: npt.NDArray[np.uint8]) -> npt.NDArray[np.int8]:
        """Inverse of `encode`, of bytes (N, at least map_bytes); FormatError if they are not well-formed."""
        maps = [decode_maps(data[:, self.offset(index) :], layout) for index, layout in enumerate(self.layouts)]
        return np.concatenate(maps, axis=2)
