"""When the row records of a pass arrive from memory."""

import numpy as np

from quiesce.sim.cycles.prefetch import Prefetch
from quiesce.sim.cycles.timing import Timing
from quiesce.sw.config import CoreConfig

__all__ = ["RecordReader"]

_AHEAD = 4
"""Records whose masks are requested before the values of the first of them."""
_BURST = 16


class RecordReader:
    """Requests masks and values in the order of the hardware, as far as the rings have room.

    The rings are freed by the scan, known row by row: ``freed`` reports it.
    """

    def __init__(self, config: CoreConfig, timing: Timing, prefetch: Prefetch, start: int):
        self._depth, self._timing, self._prefetch = config.act_depth, timing, prefetch
        self._ready = start + timing.first_request
        self._bus = 0
        self._values_requested: list[int] = []
        self._requested = np.zeros(2, np.int64)  # beats of masks and of values so far
        self._freed_at, self._freed = [0], [np.zeros(2, np.int64)]

    def freed(self, time: int) -> None:
        """The scan has used all records requested so far by this time."""
        self._freed_at.append(time)
        self._freed.append(self._requested.copy())

    def _room(self, kind: int, beats: int) -> int:
        """When the ring has had room for the first burst of the next beats."""
        used = int(self._requested[kind]) + min(beats, _BURST) - self._depth
        if used <= 0:
            return 0
        return int(np.interp(used, [entry[kind] for entry in self._freed], self._freed_at))

    @property
    def beats(self) -> int:
        """Read so far."""
        return int(self._requested.sum())

    def record(self, masks: int, values: int, earliest: int) -> tuple[int, int]:
        """When the first mask word and the first value of the next record, of so many beats, can be scanned.

        Parameters
        ----------
        earliest : int
            The record is in memory from then on.
        """
        timing, requested = self._timing, self._values_requested
        request = max(self._ready, self._room(0, masks), earliest + timing.gate)
        if len(requested) >= _AHEAD:
            request = max(request, requested[-_AHEAD] + 1)
        masks_first = max(request + self._prefetch.wait(request) + timing.read, self._bus)
        self._bus = masks_first + masks
        asked = max(self._bus + timing.values, *(time + 1 for time in requested[-1:]), self._room(1, values))
        self._ready = request + 1
        self._requested += (masks, values)
        requested.append(asked)
        return masks_first, asked + self._prefetch.wait(asked)
