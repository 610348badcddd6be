"""The event queues: events offered in order, accepted by all their PEs at once, walked by each at its own pace."""

import numpy as np
import numpy.typing as npt

from quiesce.spec.config import CoreConfig

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
        a[j]    = max(E[j] + 2, a[j-1] + 1, room[j])            room[j]: all its PEs have room in both FIFOs
        b[p, j] = max(a[j] + 3, b[p, i] + max(work[p, i], j - i))     i: the event before that has work

    Events without work take a cycle each, beside the walk of an event with work, or after it. An event leaves the FIFO one cycle
    before the event ahead of it is walked, or one after that has left if that has no work, and one after a[j] at the earliest.
    These recursions are solved for as many events at a time as do not depend on each other through the FIFOs.

    In a ``targeted`` pass each event enters the FIFOs of one PE only, and brings a context.
    """

    def __init__(self, config: CoreConfig, targeted: bool = False):
        self._targeted = targeted
        depth, held = config.event_fifo_depth, config.context_fifo_depth
        self.free = np.zeros(config.n_pes, np.int64)
        """Cycle from which each PE can start a further event."""
        self._started = np.zeros(config.n_pes, np.int64)
        if targeted:  # a context leaves with its event, so the shorter FIFO is full first
            self._left = np.full((config.n_pes, min(depth, held)), _NEVER)
        else:
            self._left = np.full((1, depth), _NEVER)
        self._contexts_left = np.full(held, _NEVER)
        self._late = self._last = _NEVER
        self._last_two = (_NEVER, _NEVER)
        self.scanned = np.zeros(0, np.int64)
        """Of each event of the last call, by how much it left the detector after its scan cycle."""
        self.starts = np.zeros((0, config.n_pes), np.int64)
        """When each PE begins with each event of the last call, if it has work for it."""

    def row(
        self, cycle: Ints, begin: Ints, work: Ints, first: npt.NDArray[np.bool_], pe: Ints | None = None, *, goes_on: bool = False
    ) -> int:
        """Run the events of a row and its row end; ``free`` is then when each PE has finished it.

        Parameters
        ----------
        cycle : ndarray
            Scan cycles of the events and of the row end, (n,), rising.
        begin : ndarray
            The event of scan cycle c leaves the detector in cycle ``begin + c`` at the earliest, (n,), not falling.
        work : ndarray
            (n, n_pes), 1 for the row end.
        first : ndarray
            The event brings a context.
        pe : ndarray
            In a targeted pass the PE of each event; any for the row end.
        goes_on : bool
            These events are of the row of the last call, which was without its row end.

        Returns
        -------
        int
            Cycle in which the last of them was accepted.
        """
        n, lanes = len(cycle), self._left.shape[0]
        depth, held = self._left.shape[1], len(self._contexts_left)
        queue = np.zeros(n, np.int64) if pe is None or not self._targeted else pe
        before_in_queue, own, lookback = _predecessors(queue, depth)
        bringing = np.flatnonzero(first)
        # Entry j is the event that must leave before event j can be accepted: of this row, or of those before.
        left = np.full(n, _NEVER)
        old_left = np.where(lookback < 0, self._left[queue, np.minimum(own, depth - 1)], _NEVER)
        contexts_left = np.concatenate([self._contexts_left, np.zeros(len(bringing), np.int64)])
        context: Ints = np.cumsum(first) - first
        needs = lookback
        if not self._targeted:
            needs = np.maximum(lookback, np.concatenate([np.full(held, -1), bringing])[context])
        blocking = np.maximum.accumulate(needs)
        # The detector is at most two events ahead of the broadcast: a[j-2] - c[j] bounds all from j on.
        behind = np.full(n + 2, _NEVER)
        after = np.concatenate([cycle[2:], np.full(2, 1 << 50)])
        most_behind, most_room, last = _NEVER, _NEVER, _NEVER
        if goes_on:
            most_behind, last = self._late, self._last
            behind[:2] = np.maximum(behind[:2], np.array(self._last_two) - np.append(cycle, cycle[-1])[:2])
        scanned, accepted_at = np.zeros(n, np.int64), np.zeros(n, np.int64)
        pace = work if self._targeted else _pace(work)
        if not self._targeted:  # events without work behind the last one with work, which was in an earlier call
            self.free = np.where(work.any(axis=0), np.maximum(self.free, self._started + np.argmax(work > 0, axis=0)), self.free)
        starts = np.zeros((n, work.shape[1]), np.int64)
        done = 0
        while done < n:
            stop = max(done + 1, int(np.searchsorted(blocking, done)))
            here, index = slice(done, stop), np.arange(done, stop)
            room = np.where(lookback[here] < 0, old_left[here], left[np.maximum(lookback[here], 0)])
            if not self._targeted:
                room = np.maximum(room, contexts_left[context[here]])
            room = room + 1
            behind[done + 2 : stop + 2] = room - after[here]
            late = np.maximum(np.maximum(np.maximum.accumulate(behind[here]), most_behind), begin[here])
            by_room = np.maximum(np.maximum.accumulate(room - index), most_room)
            accepted = np.maximum(late + cycle[here] + _TO_PES, by_room + index)
            accepted = np.maximum(np.maximum.accumulate(accepted - index) + index, last + 1 + index - done)
            scanned[here], accepted_at[here] = late, accepted

            load = pace[here]
            before = np.cumsum(load, axis=0) - load
            start = np.maximum.accumulate(np.maximum(accepted[:, None] + _TO_WALK - before, self.free), axis=0) + before
            starts[here] = start
            if self._targeted:
                mine, ahead_of = queue[here], before_in_queue[here]
                ahead = np.where(ahead_of < 0, self._started[mine], starts[np.maximum(ahead_of, 0), mine])
            else:
                # Counted from the last event with work, one a cycle.
                since = np.maximum.accumulate(np.where(load > 0, start - index[:, None], self._started), axis=0)
                ahead = np.concatenate([self._started[None], since[:-1]]).max(axis=1) + index - 1
                self._started = since[-1]
            left[here] = np.maximum(accepted + 1, ahead - 1)
            new = np.searchsorted(bringing, [done, stop])
            contexts_left[held + new[0] : held + new[1]] = left[bringing[new[0] : new[1]]]

            self.free = start[-1] + load[-1]
            behind[done + 2 : stop + 2] = accepted - after[here]
            most_behind, most_room, last = int(late[-1]), int(by_room[-1]), int(accepted[-1])
            done = stop
        for lane in range(lanes):
            of_lane = np.flatnonzero(queue == lane)
            self._left[lane] = np.concatenate([self._left[lane], left[of_lane]])[-depth:]
            walked = np.flatnonzero(work[:, lane])  # the row end by all
            if self._targeted and len(walked):
                self._started[lane] = starts[walked[-1], lane]
        if not self._targeted:
            self._started = self._started + n
        self._contexts_left = contexts_left[-held:]
        self._late, self._last, self.scanned, self.starts = most_behind, last, scanned, starts
        self._last_two = (self._last_two[1] if n == 1 else int(accepted_at[-2]), last)
        return last


def _pace(work: Ints) -> Ints:
    """Cycles from the start of each event with work to that of the next one with work at least, 0 for events without work."""
    n = len(work)
    index = np.arange(n)[:, None]
    following = np.full(work.shape, n)
    following[:-1] = np.minimum.accumulate(np.where(work > 0, index, n)[:0:-1], axis=0)[::-1]
    return np.where(work > 0, np.maximum(work, following - index), 0)


def _predecessors(queue: Ints, depth: int) -> tuple[Ints, Ints, Ints]:
    """For each event the one before it in its queue, how many are before it, and the one ``depth`` before it; -1 if none."""
    n = len(queue)
    order = np.argsort(queue, kind="stable")
    begins = np.flatnonzero(np.append(True, queue[order][1:] != queue[order][:-1])) if n else np.zeros(0, np.int64)
    rank = np.arange(n) - np.repeat(begins, np.diff(np.append(begins, n)))
    own, before, far = np.empty(n, np.int64), np.full(n, -1), np.full(n, -1)
    own[order] = rank
    before[order[1:]] = np.where(rank[1:] > 0, order[:-1], -1)
    far[order[depth:]] = np.where(rank[depth:] >= depth, order[:-depth] if n > depth else order[:0], -1)
    return before, own, far
