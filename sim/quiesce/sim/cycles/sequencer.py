"""Packets as each core executes them: loads, descriptions and starts of passes, and barriers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from quiesce.sim.cycles.decode import PacketStep, PassStep
from quiesce.sim.cycles.kernel import Kernel, Process, Signal
from quiesce.sim.cycles.program import Beats
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import Opcode

__all__ = ["Barriers", "CoreState", "PassRun", "SequencerModel"]

UNKNOWN = 1 << 62


@dataclass(kw_only=True, eq=False)
class PassRun:
    """A pass of one core in one item, and what is known of its times, `UNKNOWN` else.

    Members
    -------
    index, item : of the packet that starts it in the body, and of the item
    described, offered : by the sequencer
    reader_start, array_start : of the parts of the core, see ``quiesce.rtl.core.pass_control``
    """

    step: PassStep
    index: int
    item: int
    described: int = UNKNOWN
    offered: int = UNKNOWN
    reader_start: int = UNKNOWN
    array_start: int = UNKNOWN


@dataclass(kw_only=True, eq=False)
class CoreState:
    """What the parts of a core tell each other.

    Members
    -------
    changed : one of the below, or of the passes
    passes : described so far
    written : of each pass that has been followed to its end, when the outputs up to it are in memory
    idle : from when on nothing of these runs
    params_ready : from when on parameters of the array's pass may be loaded
    counters_ready : from when on the counters can be moved
    settled : from when on they can if no other pass follows
    """

    changed: Signal
    passes: list[PassRun] = field(default_factory=list)
    written: list[int] = field(default_factory=list)
    idle: int = 0
    params_ready: int = 0
    counters_ready: int = 0
    settled: int = 0


class Barriers:
    """Where cores wait for each other: the n-th barrier of each is the same packet.

    Parameters
    ----------
    settle : callable
        When everything before is in memory; called when that is known of all cores.
    """

    def __init__(self, kernel: Kernel, n_cores: int, settle: Callable[[], int]) -> None:
        self._n_cores, self._settle = n_cores, settle
        self._reached: list[list[int]] = []
        self.changed = Signal(kernel)

    def reach(self, number: int, time: int) -> None:
        """A core has done all before its barrier of this number."""
        if number == len(self._reached):
            self._reached.append([])
        times = self._reached[number]
        times.append(time)
        if len(times) == self._n_cores:
            times[-1] = max(time, self._settle() + 1)
        self.changed.notify()

    def release(self, number: int) -> int | None:
        """When all have, if that is known."""
        times = self._reached[number]
        return max(times) if len(times) == self._n_cores else None


class SequencerModel:
    """One core's filter and sequencer: ``quiesce.rtl.program.packet_filter``, ``quiesce.rtl.program.sequencer``.

    Parameters
    ----------
    program : iterator of (item, step)
        All packets in their order; item -1 is the prologue.
    passes : sequence of (index, step)
        The core's passes of an item in their order, and which of all passes of the body each is.
    flushed : callable
        Told (set, cycle) when a barrier moves the counters.
    flush_cycles : int
        That they take to move.
    """

    def __init__(
        self, kernel: Kernel, config: CoreConfig, core: int, state: CoreState, beats: Beats, barriers: Barriers,
        program: Iterator[tuple[int, PacketStep]], passes: Sequence[tuple[int, PassStep]], flushed: Callable[[int, int], None],
        flush_cycles: int,
    ) -> None:  # fmt: skip
        self._kernel, self._config, self._core, self._state, self._beats = kernel, config, core, state, beats
        self._barriers, self._flushed, self._passes = barriers, flushed, passes
        self._flush_cycles = flush_cycles
        self._words = config.data_width // 64
        self._time = 0  # from which on the sequencer goes on
        self._next = 0  # from which on the filter has the next beat; it drops what is for others meanwhile
        self._n_described = self._n_begun = self._n_barriers = 0
        self._n_ended = 0  # passes of the items that have ended
        kernel.spawn(self._run(program))

    def _run(self, program: Iterator[tuple[int, PacketStep]]) -> Process:
        for item, step in program:
            mine = step.takers >> self._core & 1 and step.opcode != Opcode.CORES
            if self._config.n_cores > 1 and step.opcode in (Opcode.WAIT, Opcode.ITEM_END):
                yield from self._meet()
            if not mine:
                yield from self._drop(step.beats)
                continue
            yield from self._take(min(step.beats, 1))  # a start of several cores has one packet
            if step.opcode == Opcode.PARAMS:
                self._time = max(self._time, self._state.params_ready)
            wide = step.opcode in (Opcode.PARAMS, Opcode.PASS)
            yield from self._take(max(step.beats - 1, 0), step.cycles - 1 if wide else None)
            if step.opcode == Opcode.PASS:
                yield from self._describe(item)
            elif step.opcode == Opcode.START:
                if step.cores >> self._core & 1:
                    yield from self._offer()
            elif step.opcode == Opcode.WAIT:
                yield from self._wait(step)
            elif step.opcode == Opcode.ITEM_END:
                self._time = max(self._time, self._item_done()) + 1
                self._n_ended = self._n_begun
        self._beats.more_taken.notify()

    def _take(self, n_beats: int, cycles: int | None = None) -> Process:
        """Take beats, one a cycle, or several cycles for each."""
        beats, time = self._beats, max(self._time, self._next)
        taken, offered = beats.taken, beats.offered
        left = n_beats if cycles is None else cycles
        per_beat = 1 if left == n_beats else self._words
        for _ in range(n_beats):
            index = len(taken)
            while len(offered) <= index:
                beats.more_taken.notify()
                yield beats.more_offered
            cost = min(per_beat, left)
            left -= cost
            time = max(time, offered[index]) + cost
            taken.append(time - 1)
        if n_beats:
            self._time = self._next = time

    def _drop(self, n_beats: int) -> Process:
        """Drop beats that are for other cores, whatever the sequencer does."""
        time, self._time = self._time, 0
        yield from self._take(n_beats)
        self._time = time

    def _item_done(self) -> int:
        """When the outputs of the items that have ended are in memory."""
        return self._state.written[self._n_ended - 1] if self._n_ended else 0

    def _known(self, ready: Callable[[], bool]) -> Process:
        """Wait until something is known."""
        self._beats.more_taken.notify()
        while not ready():
            yield self._state.changed

    def _describe(self, item: int) -> Process:
        """The description has come and is checked."""
        state = self._state
        index, step = self._passes[self._n_described % len(self._passes)]
        self._n_described += 1
        self._time += 1
        state.passes.append(PassRun(step=step, index=index, item=item, described=self._time))
        state.changed.notify()
        yield self._kernel.now

    def _offer(self) -> Process:
        """A pass is offered until the array has begun it."""
        run = self._state.passes[-1]
        run.offered = self._time
        self._n_begun += 1
        self._state.changed.notify()
        yield from self._known(lambda: run.array_start != UNKNOWN)
        self._time = run.array_start + 1

    def _idle(self) -> Process:
        """All passes begun have been followed to their end."""
        yield from self._known(lambda: len(self._state.written) >= self._n_begun)

    def _wait(self, step: PacketStep) -> Process:
        yield from self._idle()
        state = self._state
        self._time = max(self._time, state.idle, self._item_done(), state.settled)
        if step.flush_to is not None:
            self._flushed(step.flush_to, self._time)
            state.counters_ready = state.settled = self._time + self._flush_cycles
        self._time += 1

    def _meet(self) -> Process:
        """Hold a barrier until all cores have reached theirs."""
        beats, number = self._beats, self._n_barriers
        self._n_barriers += 1
        while len(beats.offered) <= len(beats.taken):
            beats.more_taken.notify()
            yield beats.more_offered
        yield from self._idle()
        offered = beats.offered[len(beats.taken)]
        self._barriers.reach(number, max(self._time, self._next, offered, self._state.idle, self._item_done()))
        while (time := self._barriers.release(number)) is None:
            yield self._barriers.changed
        self._time = max(self._time, time)
