"""Output rows on their way to memory, and which of them the core knows to be there."""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence

from quiesce.sim.cycles.bus import OUTSTANDING
from quiesce.sim.cycles.latencies import post_cycles
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import BURST_BEATS

__all__ = ["RowWriter", "SharedWrites"]

_REQUESTS = 4
"""That wait for the bus, of masks and of values each: see ``quiesce.rtl.bus.burst_writer``."""
_BEATS = 2 * BURST_BEATS
"""The same of beats."""
_TO_REQUEST = 3
"""Cycles from a chunk in the encoder to the request that it ends."""


class SharedWrites:
    """The write half of a bus that cores share: bursts, their data and their answers in one order.

    What a core knows in the meantime is its own share of it (`RowWriter`); at a barrier, where all bursts before it are known,
    this tells when the last has been answered.
    """

    def __init__(self, n_cores: int, latency: int) -> None:
        self._latency = latency
        self._asked: list[deque[tuple[int, int]]] = [deque() for _ in range(n_cores)]
        self._opened = [0] * n_cores
        self._answers: list[list[int]] = [[] for _ in range(n_cores)]
        self._all: list[int] = []
        self._merged = self._free = 0

    def ask(self, core: int, time: int, beats: int) -> None:
        """A core asks for a burst."""
        self._asked[core].append((time, beats))

    def _opens(self, core: int) -> int:
        """When the next burst of a core is on its way."""
        answers = self._answers[core]
        full = answers[-OUTSTANDING] + 1 if len(answers) >= OUTSTANDING else 0
        return max(self._asked[core][0][0] + 1, full, self._opened[core] + 1)

    def settle(self) -> int:
        """When all that has been asked for has been answered."""
        while waiting := [core for core, asked in enumerate(self._asked) if asked]:
            core = min(waiting, key=self._opens)
            opened = self._opened[core] = self._opens(core)
            _, beats = self._asked[core].popleft()
            full = self._all[-OUTSTANDING] + 1 if len(self._all) >= OUTSTANDING else 0
            self._merged = max(opened + 1, self._merged + 1)
            first = max(self._merged + 2, full + 1, self._free)
            self._free = first + beats
            before = self._all[-1] if self._all else 0
            self._all.append(max(self._free - 1 + self._latency, before + 2))
            self._answers[core].append(self._all[-1])
        return self._all[-1] + 1 if self._all else 0


class RowWriter:
    """Encoder, write DMA, memory and row tracker of a core, pass after pass.

    Parameters
    ----------
    ask : callable, optional
        Told (cycle, beats) of each burst.

    Members
    -------
    handed : when the write DMA has taken all bursts of each row of the pass
    answered : when each burst has been answered
    """

    def __init__(self, config: CoreConfig, latency: int, ask: Callable[[int, int], None] = lambda time, beats: None) -> None:
        self._ask, self._post = ask, post_cycles(config)
        self._latency = latency + int(config.n_cores > 1)
        self._opened: list[int] = []
        self._taken = 0  # when the DMA can take the next burst
        self._free = 0  # first cycle without a beat on the bus
        self.answered: list[int] = []
        self.handed: list[int] = []
        self._requests: tuple[list[int], list[int]] = ([], [])  # when each of masks and of values has been taken
        self._beats: tuple[list[int], list[int]] = ([], [])  # when each of their beats is on the bus

    def begin(self) -> None:
        """Another pass."""
        self.handed = []

    def row(self, bursts: Sequence[tuple[int, int, int]]) -> int:
        """Write a row.

        Parameters
        ----------
        bursts : sequence of (time, client, beats)
            In their order, those of masks (0) and of values (1): when the chunk is cut with which a burst is complete.

        Returns
        -------
        int
            When the first chunk of the row behind it may be cut at the earliest.
        """
        for cut, client, beats in bursts:
            time = cut + self._post + client  # values take a cycle more
            self._burst(time, client, beats)
            self._ask(time, beats)
        self.handed.append(self._taken + 1)
        # Chunks come to a stand behind the end of a row that finds no room.
        room = [times[-1 - _REQUESTS] + 1 for times in self._requests if len(times) > _REQUESTS]
        room += [times[-1 - _BEATS] for times in self._beats if len(times) > _BEATS]
        return max(room, default=0) - self._post + _TO_REQUEST

    def _burst(self, time: int, client: int, beats: int) -> None:
        taken = max(time, self._taken)
        opened = taken + 1
        if len(self.answered) >= OUTSTANDING:
            opened = max(opened, self.answered[-OUTSTANDING] + 1)
        self._taken = opened
        self._requests[client].append(taken)
        self._opened.append(taken)
        first = max(opened + 2, self._free)
        self._free = first + beats
        self._beats[client].extend(range(first, self._free))
        before = self.answered[-1] if self.answered else 0
        self.answered.append(max(self._free - 1 + self._latency, before + 2))

    @property
    def done(self) -> int:
        """When all beats so far have been handed on."""
        return self._free - 1

    @property
    def written(self) -> int:
        """When all so far has been answered."""
        return self.answered[-1] + 1 if self.answered else 0

    def known(self, start: int) -> list[int]:
        """When each row of the pass is known to be in memory: ``rtl.core.row_tracker``, which has begun it at ``start``."""
        times: list[int] = []
        marked, now = 0, start + 2
        while True:
            times += [now + 1] * (marked - len(times))
            if len(times) == len(self.handed):
                return times
            marked = bisect_right(self.handed, now)
            opened, answered = bisect_right(self._opened, now - 1), bisect_right(self.answered, now)
            if opened > answered:
                now = self.answered[opened - 1] + 1
            elif marked > len(times):
                now += 1
            else:
                coming = [self.handed[marked], *self._opened[opened : opened + 1]]
                now = max(now + 1, min(coming))
