"""The event queues: events offered in order, accepted by all PEs at once, walked by each at its own pace."""

import numpy as np
import numpy.typing as npt

from quiesce.sw.config import CoreConfig

__all__ = ["EventQueues"]

Ints = npt.NDArray[np.int64]

_NEVER = -(1 << 60)
_TO_PES = 2
"""Cycles from the detector to the broadcast."""
_TO_WALK = 3
"""Cycles from the broadcast to the first operation."""


class EventQueues:
    """State of all PE FIFOs across the rows of a pass; times are absolute cycles.

    Event j of scan cycle c[j] leaves the detector in E[j], is accepted in a[j] and walked by PE p from b[p, j] on::

        E[j]    = max(E[j-1] + c[j] - c[j-1], a[j-2])           two registers lie between detector and broadcast
        a[j]    = max(E[j] + 2, a[j-1] + 1, room[j])            room[j]: all PEs have room in both FIFOs
        b[p, j] = max(a[j] + 3, b[p, j-1] + work[p, j-1])

    It leaves the FIFO one cycle before the event ahead of it is walked, and one after a[j] at the earliest. These recursions are
    solved for as many events at a time as do not depend on each other through the FIFOs.

    In a ``targeted`` pass an event enters one FIFO only: the FIFOs of all PEs are taken as one, which is right if events are
    spread evenly.
    """

    def __init__(self, config: CoreConfig, targeted: bool = False):
        fifos = config.n_pes if targeted else 1
        self._depth, self._contexts = fifos * config.event_fifo_depth, fifos * config.context_fifo_depth
        self.free = np.zeros(config.n_pes, np.int64)
        """Cycle from which each PE can start a further event."""
        self._started = np.zeros(config.n_pes, np.int64)
        self._left = np.full(self._depth, _NEVER)  # when the last events had left all FIFOs
        self._contexts_left = np.full(self._contexts, _NEVER)

    def row(self, begin: int, cycle: Ints, work: Ints, first: npt.NDArray[np.bool_]) -> int:
        """Run the events of a row and the marker at its end; ``free`` is then when each PE has finished it.

        Parameters
        ----------
        begin : int
            The event of scan cycle c leaves the detector in cycle ``begin + c`` at the earliest.
        cycle : ndarray
            Scan cycles of the events and of the marker, (n,), rising.
        work : ndarray
            (n, n_pes), 1 for the marker.
        first : ndarray
            The event brings a context.

        Returns
        -------
        int
            Cycle in which the marker was accepted.
        """
        n, depth, held = len(cycle), self._depth, self._contexts
        bringing = np.flatnonzero(first)
        # Positions shifted by the FIFO depths: entry j of ``left`` is the event that must leave before event j can be accepted.
        left = np.concatenate([self._left, np.zeros(n, np.int64)])
        contexts_left = np.concatenate([self._contexts_left, np.zeros(len(bringing), np.int64)])
        context: Ints = np.cumsum(first) - first
        event_of = np.concatenate([np.full(held, -1), bringing])
        needs = np.maximum(np.arange(n) - depth, event_of[context])
        # The detector is at most two events ahead of the broadcast: a[j-2] - c[j] bounds all from j on.
        behind = np.full(n + 2, _NEVER)
        after = np.concatenate([cycle[2:], np.full(2, 1 << 50)])
        most_behind, most_room, last = begin, _NEVER, _NEVER
        done = 0
        while done < n:
            stop = max(done + 1, int(np.searchsorted(needs, done)))
            here, index = slice(done, stop), np.arange(done, stop)
            room = np.maximum(left[here], contexts_left[context[here]]) + 1
            behind[done + 2 : stop + 2] = room - after[here]
            late = np.maximum(np.maximum.accumulate(behind[here]), most_behind)
            by_room = np.maximum(np.maximum.accumulate(room - index), most_room)
            accepted = np.maximum(late + cycle[here] + _TO_PES, by_room + index)
            accepted = np.maximum(np.maximum.accumulate(accepted - index) + index, last + 1 + index - done)

            load = work[here]
            before = np.cumsum(load, axis=0) - load
            start = np.maximum.accumulate(np.maximum(accepted[:, None] + _TO_WALK - before, self.free), axis=0) + before
            ahead = np.concatenate([self._started[None], start[:-1]]).max(axis=1)
            left[depth + done : depth + stop] = np.maximum(accepted + 1, ahead - 1)
            new = np.searchsorted(bringing, [done, stop])
            contexts_left[held + new[0] : held + new[1]] = left[depth + bringing[new[0] : new[1]]]

            self._started, self.free = start[-1], start[-1] + load[-1]
            behind[done + 2 : stop + 2] = accepted - after[here]
            most_behind, most_room, last = int(late[-1]), int(by_room[-1]), int(accepted[-1])
            done = stop
        self._left, self._contexts_left = left[-depth:], contexts_left[-held:]
        return last
