"""How the passes of a core overlap."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quiesce.sim.cycles.kernel import Kernel, Process
from quiesce.sim.cycles.latencies import LATENCIES, flush_cycles
from quiesce.sim.cycles.passes import PassModel, PassResult, PassStart
from quiesce.sim.cycles.records import ActReaderModel
from quiesce.sim.cycles.sequencer import UNKNOWN, CoreState, PassRun
from quiesce.sim.cycles.writes import RowWriter
from quiesce.spec.config import CoreConfig

__all__ = ["CoreModel", "PassWork", "Work"]

Kinds = npt.NDArray[np.int8]


@dataclass(frozen=True, kw_only=True)
class PassWork:
    """What a pass does for an item.

    Members
    -------
    rows : kinds of its activations by row and plane
    outputs : which of its outputs are not zero
    in_offset, out_offset : where its first record in either region begins, bytes
    """

    model: PassModel
    rows: Sequence[Sequence[Kinds]]
    outputs: npt.NDArray[np.bool_]
    in_offset: int
    out_offset: int


Work = Callable[[PassRun], PassWork]

_SWEEPS = 8
"""Of a ranking over the rows of maxima: one for each bit of a maximum, and one that marks the winners."""


class CoreModel:
    """The parts of a core from pass to pass, see ``quiesce.rtl.core.pass_control``.

    The reader begins a pass when all of the one before has arrived and the array has begun that; the front when it has scanned
    the one before; the array when it is done with the one before; the back when it has handed on everything of the one before.

    Parameters
    ----------
    ask : callable
        Told (cycle, beats) of each burst that it writes.
    work : callable
        Told each pass in order.
    ended : callable
        Told (layer, cycle) when the time of a pass ends, on a core that is alone.
    counted : callable
        Told (layer, events, MACs) of each pass.
    """

    def __init__(
        self, kernel: Kernel, config: CoreConfig, state: CoreState, reader: ActReaderModel, latency: int, *,
        ask: Callable[[int, int], None], work: Work, ended: Callable[[int, int], None], counted: Callable[[int, int, int], None],
    ) -> None:  # fmt: skip
        self._kernel, self._config, self._state, self._reader = kernel, config, state, reader
        self._work, self._ended, self._counted = work, ended, counted
        self._writer = RowWriter(config, latency, ask)
        self._alone = config.n_cores == 1
        self._layer: int | None = None
        self._finished = 0  # when the last pass has ended, if no other is offered before
        # Of the last pass.
        self._array_start = self._back_start = self._reader_done = self._scanned = self._array_done = 0
        # Of the last pass with outputs.
        self._back_done = self._written = self._older_written = self._ranked = 0
        self._rows: list[int] = []
        kernel.spawn(self._run())

    def end(self) -> None:
        """The program has ended: so does its last pass."""
        if self._layer is not None and self._alone:
            self._ended(self._layer, self._finished)

    def _run(self) -> Process:
        state, index = self._state, 0
        while True:
            while len(state.passes) <= index:
                yield state.changed
            yield from self._pass(state.passes[index])
            index += 1

    def _pass(self, run: PassRun) -> Process:
        state, step = self._state, run.step
        fields = step.fields
        work = self._work(run)
        reader_start = max(run.described, self._reader_done, self._array_start + 1, self._back_start + 1, self._older_written)
        records = work.model.records(work.rows, work.in_offset, self._row_times(fields))
        self._reader.read(reader_start, records)
        while run.offered == UNKNOWN:
            yield state.changed
        front = max(run.offered, self._scanned, reader_start + 1, self._config.acc_depth + 2)
        array = max(front + 1, self._back_start + 1)
        if self._finished < run.offered:  # the pass before has ended by itself
            array = max(array, self._finished + 1)
            end = self._finished
        else:
            array = max(array, self._array_done, state.counters_ready)
            end = array
        if self._layer is not None and self._alone:
            self._ended(self._layer, end)
            state.counters_ready = end + flush_cycles(self._config)
        self._layer = fields["layer"]
        back = max(array + 1, self._back_done)
        state.params_ready = self._back_done
        if fields["drain"]:  # rows are no longer told apart, see ``behind``
            self._reader.postpone(records, back, max(self._back_done, self._written))
        run.array_start = self._array_start = array
        state.changed.notify()

        self._writer.begin()
        result = PassResult()
        ranked = self._ranked + LATENCIES.ranked if fields["in_ranked"] else 0
        start = PassStart(front=front, array=array, back=back if fields["drain"] else array, ranked=ranked)
        yield from work.model.run(start, self._reader, self._writer, work.rows, records, work.outputs, work.out_offset, result)
        self._counted(fields["layer"], result.events, result.macs)
        self._reader_done = self._reader.done(records)
        self._scanned, self._array_done = result.scanned, result.array_done
        if fields["drain"]:
            self._back_start = back
            self._older_written = self._written
            self._back_done, self._written = self._writer.done, self._writer.written
            if fields["n_winners"]:
                self._ranked = result.drained + LATENCIES.rank + _SWEEPS * fields["rank_rows"]
                self._back_done = max(self._back_done, self._ranked)
            self._rows = self._writer.known(back)
        self._finished = max(self._array_done, self._scanned, self._back_done, self._written)
        if self._alone:
            self._finished = max(self._finished, state.counters_ready)
            state.settled = self._finished + flush_cycles(self._config)
        state.idle = self._finished + 1
        state.written.append(self._written)
        state.changed.notify()

    def _row_times(self, fields: dict[str, int]) -> list[int]:
        """When the core knows each input row of the next pass to be in memory."""
        if not fields["awaits_rows"]:
            return [0] * fields["n_rows"]
        wanted = [fields["rows_awaited"] + row for row in range(fields["n_rows"])]  # rows of the last pass with outputs
        written = max(self._back_done, self._written)  # all of it, which shows earlier than that the last row is there
        return [0 if n <= 0 else min(self._rows[n - 1], written) if n <= len(self._rows) else written for n in wanted]
