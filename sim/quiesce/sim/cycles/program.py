"""The program on its way: prefetched over the bus, and handed to every core."""

from collections.abc import Sequence
from functools import partial

from quiesce.sim.cycles.bus import ReadPort, bursts_of
from quiesce.sim.cycles.kernel import Kernel, Process, Signal
from quiesce.spec.isa import BURST_BEATS

__all__ = ["Beats", "BroadcastModel", "ProgramFetchModel"]

_ROOM = 8 * BURST_BEATS
"""Beats that may be requested or wait, see ``quiesce.rtl.program.program_fetch``."""
_BUFFER = 2
"""Cycles through a buffered FIFO."""
_PROGRAM = 1  # client of the read port


class Beats:
    """A stream of beats.

    Members
    -------
    offered : when each beat is there, as far as known
    taken : when each has been taken, as far as known
    """

    def __init__(self, kernel: Kernel) -> None:
        self.offered: list[int] = []
        self.taken: list[int] = []
        self.more_offered, self.more_taken = Signal(kernel), Signal(kernel)


class ProgramFetchModel:
    """Reads the sections of the program, prologue and bodies, as far as there is room: ``quiesce.rtl.program.program_fetch``."""

    def __init__(self, kernel: Kernel, port: ReadPort, prologue_beats: int, body_beats: int, n_items: int) -> None:
        self._kernel, self._port = kernel, port
        self.beats = Beats(kernel)
        kernel.spawn(self._run([(0, prologue_beats), *[(prologue_beats, body_beats)] * n_items]))

    def _run(self, sections: Sequence[tuple[int, int]]) -> Process:
        kernel, beats, requested = self._kernel, self.beats, 0
        yield 1  # after the start
        for first, length in sections:
            for burst in bursts_of(first, length):
                needed = requested + burst - _ROOM
                while len(beats.taken) < needed:
                    yield beats.more_taken
                if needed > 0:
                    yield beats.taken[needed - 1] + 1
                self._port.ask(_PROGRAM, burst, partial(self._arrive, burst))
                while self._port.asked[_PROGRAM]:
                    yield self._port.taken
                requested += burst
                yield kernel.now + 1
            yield kernel.now + 1  # between sections

    def _arrive(self, burst: int, time: int) -> None:
        self.beats.offered += range(time + _BUFFER, time + _BUFFER + burst)
        self.beats.more_offered.notify()


class BroadcastModel:
    """Every beat goes to a FIFO of each core: ``quiesce.rtl.lib.broadcast``."""

    DEPTH = 64

    def __init__(self, kernel: Kernel, source: Beats, n_outputs: int) -> None:
        self._source = source
        self.outputs = [Beats(kernel) for _ in range(n_outputs)]
        kernel.spawn(self._run())

    def _run(self) -> Process:
        source, index, time = self._source, 0, 0
        while True:
            while len(source.offered) <= index:
                self._tell()
                yield source.more_offered
            time = max(time + 1, source.offered[index])
            for output in self.outputs:
                if index >= self.DEPTH:
                    while len(output.taken) <= index - self.DEPTH:
                        self._tell()
                        yield output.more_taken
                    time = max(time, output.taken[index - self.DEPTH] + 1)
            # One whose FIFO has room takes the beat earlier than the source is rid of it: seldom, and soon made up for.
            for output in self.outputs:
                output.offered.append(time + _BUFFER)
            source.taken.append(time)
            index += 1

    def _tell(self) -> None:
        self._source.more_taken.notify()
        for output in self.outputs:
            output.more_offered.notify()
