"""When the row records of a pass arrive from memory."""

from collections import deque

import numpy as np
import numpy.typing as npt

from quiesce.sim.cycles.prefetch import Prefetch
from quiesce.sim.cycles.timing import Timing
from quiesce.sw.config import CoreConfig

__all__ = ["RecordReader", "Rings"]

_BURST = 16


class Rings:
    """The ring buffers of masks and of values, pass after pass. They are freed by the scan, known row by row."""

    def __init__(self, config: CoreConfig):
        self._depth = config.act_depth
        self.masks_ahead = config.masks_ahead
        self.requested = np.zeros(2, np.int64)
        """Beats of masks and of values so far."""
        # A record may wait for what was freed no longer ago than the rings hold.
        self._freed: deque[tuple[int, npt.NDArray[np.int64]]] = deque([(0, np.zeros(2, np.int64))], maxlen=2 * self._depth)

    def freed(self, time: int, beats: npt.NDArray[np.int64]) -> None:
        """The scan has used the first so many ``beats`` by this time."""
        self._freed.append((time, beats))

    def room(self, kind: int, beats: int) -> int:
        """When the ring has had room for the first burst of the next beats."""
        used = int(self.requested[kind]) + min(beats, _BURST) - self._depth
        if used <= self._freed[0][1][kind]:
            return 0
        return int(np.interp(used, [entry[kind] for _, entry in self._freed], [time for time, _ in self._freed]))


class RecordReader:
    """Requests masks and values of a pass in the order of the hardware, as far as the rings have room.

    Members
    -------
    arrived : when all records so far have arrived
    beats : read so far
    """

    def __init__(self, rings: Rings, timing: Timing, prefetch: Prefetch, start: int):
        self._rings, self._timing, self._prefetch = rings, timing, prefetch
        self._ahead = rings.masks_ahead
        self._ready = start + timing.first_request
        self._bus = 0
        self._values_requested: list[int] = []
        self._before = int(rings.requested.sum())
        self.arrived = start

    @property
    def beats(self) -> int:
        return int(self._rings.requested.sum()) - self._before

    def record(self, masks: int, values: int, earliest: int) -> tuple[int, int]:
        """When the first mask word and the first value of the next record, of so many beats, can be scanned.

        Parameters
        ----------
        earliest : int
            The record is in memory from then on.
        """
        timing, requested = self._timing, self._values_requested
        request = max(self._ready, self._rings.room(0, masks), earliest + timing.gate)
        if len(requested) >= self._ahead:
            request = max(request, requested[-self._ahead] + 1)
        masks_first = max(request + self._prefetch.wait(request) + timing.read, self._bus)
        self._bus = masks_first + masks
        asked = max(self._bus + timing.values, *(time + 1 for time in requested[-1:]), self._rings.room(1, values))
        self._ready = request + 1
        self._rings.requested += (masks, values)
        requested.append(asked)
        values_first = asked + self._prefetch.wait(asked)
        self.arrived = max(self.arrived, self._bus, values_first + values)
        return masks_first, values_first
