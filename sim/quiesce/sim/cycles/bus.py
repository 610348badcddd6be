"""The read half of the bus: bursts of all cores in the order in which they reach the memory, one beat a cycle."""

from collections.abc import Callable
from dataclasses import dataclass, field

from quiesce.sim.cycles.kernel import Kernel, Process, Signal
from quiesce.spec.isa import BURST_BEATS

__all__ = ["OUTSTANDING", "ReadBus", "ReadPort", "bursts_of"]

OUTSTANDING = 16
"""Bursts under way: of a port, of a reader, and in the memory."""

_PORTS, _BUS = 2, 1  # ranks: within a cycle clients ask, the bus takes what ports offer, and ports take what clients ask for


def bursts_of(offset: int, beats: int) -> list[int]:
    """Beats of the bursts of a run from beat ``offset`` on: each ends in front of a multiple of `BURST_BEATS`."""
    result = []
    while beats:
        result.append(min(beats, BURST_BEATS - offset % BURST_BEATS))
        offset, beats = offset + result[-1], beats - result[-1]
    return result


@dataclass(kw_only=True, eq=False)
class _Burst:
    beats: int
    comes: Callable[[int], None]
    """Told the cycle of the first beat as soon as that is known."""


@dataclass(kw_only=True, eq=False)
class ReadPort:
    """A read DMA: see ``quiesce.rtl.bus.read_dma`` and ``quiesce.rtl.bus.burst_issue``.

    Members
    -------
    asked : what each client waits to be taken, those of the lower index first
    taken : something has been
    """

    changed: Signal
    taken: Signal
    asked: list[_Burst | None] = field(default_factory=lambda: [None, None])
    offered: tuple[int, _Burst] | None = None
    ends: list[int] = field(default_factory=list)
    """Last beats of all bursts that are on their way."""

    def ask(self, client: int, beats: int, comes: Callable[[int], None]) -> None:
        """A client that waits for nothing asks for a burst."""
        self.asked[client] = _Burst(beats=beats, comes=comes)
        self.changed.notify()


class ReadBus:
    """Ports, the merging of several (``quiesce.rtl.bus.interconnect``), and the memory.

    Parameters
    ----------
    latency : int
        From an address at the memory to the first beat.
    """

    def __init__(self, kernel: Kernel, n_ports: int, latency: int) -> None:
        self._kernel, self._latency = kernel, latency
        self._merged = int(n_ports > 1)  # a cycle each way
        self._free = 0  # first cycle without a beat
        self._last = 0  # port served last
        self._ends: list[int] = []
        self._offers = Signal(kernel)
        self.ports = [ReadPort(changed=Signal(kernel), taken=Signal(kernel)) for _ in range(n_ports)]
        for port in self.ports:
            kernel.spawn(self._serve(port), _PORTS)
        if self._merged:
            kernel.spawn(self._merge(), _BUS)

    def _serve(self, port: ReadPort) -> Process:
        """Take a burst, and offer it a cycle later at the earliest."""
        kernel, count = self._kernel, 0
        while True:
            client = next((index for index, burst in enumerate(port.asked) if burst), None)
            if client is None:
                yield port.changed
                continue
            burst, port.asked[client] = port.asked[client], None
            assert burst
            port.taken.notify()
            issue = kernel.now + 1
            if count >= OUTSTANDING:
                while len(port.ends) <= count - OUTSTANDING:
                    yield port.changed
                issue = max(issue, port.ends[count - OUTSTANDING] + 1)
            yield issue
            while port.offered:
                yield port.changed
            if self._merged:
                port.offered = kernel.now + 1, burst
                self._offers.notify()
            else:
                self._read(port, burst, kernel.now + 1)
            count += 1

    def _merge(self) -> Process:
        """Serve the ports in turn."""
        while True:
            waiting = {index: port.offered for index, port in enumerate(self.ports) if port.offered}
            now, n_ports = self._kernel.now, len(self.ports)
            ready = [index for index, (since, _) in waiting.items() if since <= now]
            if not ready:
                if waiting:
                    yield min(since for since, _ in waiting.values())
                else:
                    yield self._offers
                continue
            chosen = min(ready, key=lambda index: (index - self._last - 1) % n_ports)
            port, (_, burst) = self.ports[chosen], waiting[chosen]
            self._last, port.offered = chosen, None
            full = self._ends[-OUTSTANDING] if len(self._ends) >= OUTSTANDING else 0
            reached = max(now + 1, full)
            self._read(port, burst, reached)
            port.changed.notify()
            yield reached

    def _read(self, port: ReadPort, burst: _Burst, time: int) -> None:
        """A burst reaches the memory."""
        first = max(time + self._latency, self._free)
        self._free = first + burst.beats
        self._ends.append(self._free - 1)
        port.ends.append(self._free - 1 + self._merged)
        burst.comes(first + self._merged)
