"""How the passes of a core overlap."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from quiesce.sim.cycles.decode import PassStep
from quiesce.sim.cycles.passes import PassStart, PassTimes
from quiesce.sim.cycles.prefetch import DEPTH, Prefetch, late_by
from quiesce.sim.cycles.records import Rings
from quiesce.sim.cycles.timing import Timing

__all__ = ["CoreTimeline"]

_SWEEPS = 8
"""Of a ranking over the rows of maxima: one for each bit of a maximum, and one that marks the winners."""


@dataclass
class CoreTimeline:
    """The state of one core between passes, see ``rtl/pass_control.py``.

    The reader begins a pass when all of the one before has arrived and the array has begun that; the front when it has scanned
    the one before; the array when it is done with the one before; the back when it has handed on everything of the one before.

    Members
    -------
    rings : activations on their way to the front
    alone : it is the only core, and counts its cycles at the end of each pass
    cleared : the accumulators are
    decoded : the sequencer has taken the last packet
    described : it has taken the description of the next pass
    array_start : of the last pass
    """

    latency: int
    timing: Timing
    rings: Rings
    alone: bool
    cleared: int = 0
    decoded: int = 0
    described: int = 0
    array_start: int = 0
    _arrived: int = 0
    _scanned: int = 0
    _array_done: int = 0
    _back_start: int = 0
    _back_done: int = 0
    _written: int = 0
    _older_written: int = 0
    _missing: int = DEPTH
    _ranked: int = 0
    _rows: list[int] = field(default_factory=list)

    def offered(self, step: PassStep) -> int:
        """The sequencer has a pass ready."""
        return self.decoded + step.cycles

    @property
    def complete(self) -> int:
        """Everything begun is in memory."""
        return max(self._array_done, self._back_done, self._written)

    def start(self, step: PassStep, beats_behind: int, beats_left: int, beats_ahead: Sequence[int]) -> PassStart:
        """When the parts begin the next pass.

        Parameters
        ----------
        beats_behind : int
            Of the program, behind the pass, before the one after it.
        beats_left : int
            Of the program, from the pass until its end.
        beats_ahead : sequence of int
            Of activations of the first 1, 2, ... rows, which fit into the rings before the front begins.
        """
        reader = max(self.described, self._arrived, self.array_start + 1, self._back_start + 1, self._older_written)
        offered = self.offered(step)
        rows = self._row_times(step)
        requested = offered - self._missing  # all of the program up to the pass; what is requested later comes later
        in_memory = sum(row + self.timing.gate < requested for row in rows)
        ahead = min([0, *beats_ahead][in_memory], max(0, requested - reader - self.timing.first_request))
        missing, late = late_by(min(self._missing, beats_left), ahead)
        offered += late
        front = max(offered, self._scanned, reader + 1, self.cleared)
        array = max(front + 1, self._array_done)
        if self.alone and self.complete >= front:  # the pass before ends here, and counters take one end at a time
            array = max(array, self.array_start + self.timing.flush)
        back = max(array + 1, self._back_done + 1)
        prefetch = Prefetch(latency=self.latency, missing=missing, stopped=offered, begins=array + 1, beats=beats_behind)
        ranked = self._ranked + self.timing.ranked if step.fields["in_ranked"] else 0
        return PassStart(
            reader=reader, front=front, array=array, back=back, rows=rows, rings=self.rings, prefetch=prefetch, ranked=ranked,
            ahead=ahead,
        )  # fmt: skip

    def _row_times(self, step: PassStep) -> Sequence[int]:
        """When each input row is in memory, as the core knows it."""
        fields = step.fields
        if not fields.get("awaits_rows"):
            return [0] * fields["n_rows"]
        times = [0, *self._rows]  # by the number of rows of the last pass that are needed
        wanted = [max(0, fields["rows_awaited"] + row) for row in range(fields["n_rows"])]
        return [times[row] if row < len(times) else self._written for row in wanted]

    def finish(self, step: PassStep, start: PassStart, times: PassTimes) -> None:
        """The pass has run so."""
        timing, prefetch = self.timing, start.prefetch
        self._missing, taken = prefetch.after(times.arrived, times.beats - start.ahead)
        self.decoded = taken - prefetch.beats
        self.array_start = start.array
        self._arrived, self._scanned, self._array_done = times.arrived, times.scanned, times.array_done
        if step.fields["drain"]:
            self._back_start, self._back_done = start.back, times.rows[-1] + timing.post
            self._older_written, self._written = self._written, self._back_done + self.latency + timing.answer
            late = timing.post + (3 * (self.latency + timing.answer)) // 2
            if step.fields["n_winners"]:
                self._ranked = times.rows[-1] + timing.rank + _SWEEPS * step.fields["rank_rows"]
                self._back_done = max(self._back_done, self._ranked)
            self._rows = [min(row + late, self._written) for row in times.rows]
