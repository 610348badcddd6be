"""When the row records of a pass arrive from memory."""

from dataclasses import dataclass

import numpy as np

from quiesce.sim.cycles.timing import Timing
from quiesce.sw.config import CoreConfig

__all__ = ["RecordReader"]

_AHEAD = 4
"""Records whose masks are requested before the values of the first of them."""


@dataclass(frozen=True)
class _Record:
    """Mask and value beats of a record, and when the last of each is there."""

    masks: int
    values: int
    masks_at: int
    values_requested: int


class RecordReader:
    """Requests masks and values in the order of the hardware, as far as the rings have room.

    ``record`` returns when the first mask word and the first value of the next record are there. The rings are freed by the scan,
    known row by row: ``freed`` reports it.
    """

    def __init__(self, config: CoreConfig, timing: Timing, latency: int, start: int):
        self._depth, self._timing, self._latency = config.act_depth, timing, latency
        self._ready = start + timing.first_request
        self._bus = 0
        self._records: list[_Record] = []
        self._requested = np.zeros(2, np.int64)  # beats of masks and of values so far
        self._freed_at: list[tuple[int, int, int]] = [(0, 0, 0)]  # time, masks, values

    def freed(self, time: int, masks: int, values: int) -> None:
        """The scan has used so many beats more by this time."""
        _, all_masks, all_values = self._freed_at[-1]
        self._freed_at.append((time, all_masks + masks, all_values + values))

    def _room(self, kind: int, beats: int) -> int:
        """When the ring has had room for the first burst of the next beats."""
        used = int(self._requested[kind]) + min(beats, 16) - self._depth
        if used <= 0:
            return 0
        times = [entry[0] for entry in self._freed_at]
        counts = [entry[1 + kind] for entry in self._freed_at]
        if used > counts[-1]:
            return times[-1]
        return int(np.interp(used, counts, times))

    def record(self, masks: int, values: int, written: int = 0) -> tuple[int, int]:
        """The next record with its beats, in memory when ``written``; (first mask word there, first value there)."""
        timing, records = self._timing, self._records
        request = max(self._ready, self._room(0, masks), written)
        if len(records) >= _AHEAD:
            request = max(request, records[-_AHEAD].values_requested + 1)
        masks_first = max(request + self._latency + timing.read, self._bus)
        masks_at = masks_first + masks
        self._bus = masks_at
        before = records[-1].values_requested if records else 0
        asked = max(masks_at + timing.values, before + 1, self._room(1, values))
        values_first = asked + self._latency + timing.read
        self._ready = request + 1
        self._requested += (masks, values)
        records.append(_Record(masks, values, masks_at, asked))
        return masks_first, values_first


