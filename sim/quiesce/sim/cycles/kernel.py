"""Processes in simulated time: generators that wait for a cycle or for a signal."""

import heapq
from collections.abc import Callable, Generator

__all__ = ["Kernel", "Process", "Signal"]


class Kernel:
    """Runs processes in the order of their cycles.

    A process yields the cycle from which it goes on (at once if that has passed), or a signal. Within a cycle those of a lower
    rank go first.

    Members
    -------
    now : the present cycle
    """

    def __init__(self) -> None:
        self.now = 0
        self._due: list[tuple[int, int, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, time: int, call: Callable[[], None], rank: int = 0) -> None:
        """Call in this cycle, or in the present one if that has passed."""
        self._count += 1
        heapq.heappush(self._due, (max(time, self.now), rank, self._count, call))

    def spawn(self, process: "Process", rank: int = 0) -> None:
        """Begin a process in the present cycle."""

        def step() -> None:
            wait = next(process, None)
            if isinstance(wait, Signal):
                wait.waiting.append((step, rank))
            elif wait is not None:
                self.at(wait, step, rank)

        self.at(self.now, step, rank)

    def run(self) -> None:
        """Run until no process goes on."""
        while self._due:
            self.now, _, _, call = heapq.heappop(self._due)
            call()


class Signal:
    """Wakes the processes that wait for it."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.waiting: list[tuple[Callable[[], None], int]] = []

    def notify(self) -> None:
        """Processes that wait go on in the present cycle, and look again for what they wait for."""
        waiting, self.waiting = self.waiting, []
        for step, rank in waiting:
            self._kernel.at(self._kernel.now, step, rank)


Process = Generator[int | Signal, None, None]
