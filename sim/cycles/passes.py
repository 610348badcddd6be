"""Cycles of one pass."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quiesce.sim.cycles.decode import PassStep
from quiesce.sim.cycles.queue import EventQueues
from quiesce.sim.cycles.records import RecordReader
from quiesce.sim.cycles.scan import PassScan
from quiesce.sim.cycles.timing import Timing
from quiesce.sim.cycles.work import WorkTable
from quiesce.sw.config import CoreConfig
from quiesce.sw.format.geometry import ceil_div

__all__ = ["PassModel", "PassTimes"]

Bits = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class PassTimes:
    """When the parts of a core are done with a pass, and what it did.

    Members
    -------
    begin : the array takes it
    scanned : the front may take the next one
    drained : so may the array
    written : each output row is in memory, and that is known
    end : so is everything
    """

    begin: int
    scanned: int
    drained: int
    written: tuple[int, ...]
    end: int
    events: int
    macs: int


class PassModel:
    """One pass on a core.

    Parameters
    ----------
    config : CoreConfig
    step : PassStep
    latency : int
        Of the memory, cycles.
    dense : bool
        Zero-skipping is off.
    """

    def __init__(self, config: CoreConfig, step: PassStep, *, latency: int, dense: bool = False, timing: Timing | None = None):
        self._config, self._fields, self._latency = config, step.fields, latency
        self._timing = timing or Timing()
        self._scan = PassScan(config, step, dense)
        fields = step.fields
        n_slots = fields["n_kctx"] * fields["n_gctx"] * fields["ctx_slots"]
        self._work = WorkTable(config, step, n_slots, dense)

    def run(
        self, start: int, array: int, rows: Sequence[Sequence[Bits]], out_values: Sequence[int], written: Sequence[int]
    ) -> PassTimes:
        """Times of the pass.

        Parameters
        ----------
        start : int
            Cycle in which the front takes it.
        array : int
            Cycle in which the array can take it.
        rows : sequence of sequence of ndarray
            Nonzero activations of each input row and plane, bool, (n_cols, channels).
        out_values : sequence of int
            Nonzero activations of each output row.
        written : sequence of int
            When the rows of the last pass with outputs are in memory.
        """
        fields, timing, config = self._fields, self._timing, self._config
        queues = EventQueues(config, bool(fields["targeted"]))
        # Sums that are held at the end of a row leave one a cycle.
        row_end = timing.row_end + min(config.psum_depth, fields["n_groups"] * fields["n_out_cols"])
        reader = RecordReader(config, timing, self._latency, start)
        records = [[reader_beats(config, fields, plane) for plane in row] for row in rows]
        array = max(array, start + 1)
        drain = _Drain(config, fields, timing, array)
        turn = max(start + fields["n_cols"] + fields["col_phase"] + 3, array + 1)

        def in_memory(row: int) -> int:
            """When an input row may be read."""
            awaited = min(row + fields["rows_awaited"], len(written)) - 1
            return written[awaited] if fields["awaits_rows"] and awaited >= 0 else 0

        arrivals = [reader.record(*beats, in_memory(0)) for beats in records[0]]
        events = macs = 0
        marker = turn
        for row, planes in enumerate(rows):
            found = self._scan.row(row, planes)
            work = self._work.of(found)
            begin = max(turn, drain.room(row, self._scan))
            # Within the row, each plane waits for its record.
            begin = max(begin, *(max(masks, values - int(before)) for (masks, values), before in zip(
                arrivals, found.plane_cycles, strict=True)))  # fmt: skip
            cycle = np.append(found.cycle, found.n_cycles + 1)
            load = np.concatenate([work, np.ones((1, config.n_pes), np.int64)])
            marker = queues.row(begin, cycle, load, np.append(found.first, False))
            turn = marker + timing.row_turn
            for masks, values in records[row]:
                reader.freed(marker, masks, values)
            if row + 1 < len(rows):
                arrivals = [reader.record(*beats, in_memory(row + 1)) for beats in records[row + 1]]
            drain.finished(row, int(queues.free.max()) + row_end)
            events += found.n_found
            macs += int(work.sum()) * config.n_lanes
        end = drained = max(marker, int(queues.free.max()) + row_end)
        rows_written: tuple[int, ...] = ()
        if fields["drain"]:
            drained = max(end, drain.last)
            rows_written = tuple(drain.written(out_values, self._latency))
            end = max(end, rows_written[-1])
        return PassTimes(
            begin=array, scanned=marker + timing.row_turn, drained=drained, written=rows_written, end=end,
            events=events, macs=macs,
        )  # fmt: skip


def reader_beats(config: CoreConfig, fields: dict[str, int], plane: Bits) -> tuple[int, int]:
    """Mask and value beats of a row record."""
    return fields["in_mask_beats"], _value_beats(config, int(np.count_nonzero(plane)), fields["in_narrow"])


def _value_beats(config: CoreConfig, n_values: int, narrow: int) -> int:
    """Beats of the values of a row record, of 4 bits each if ``narrow``, else 8."""
    return ceil_div(n_values, config.beat_bytes << narrow)


class _Drain:
    """Finished output rows on their way to memory, one after the other."""

    def __init__(self, config: CoreConfig, fields: dict[str, int], timing: Timing, start: int):
        self._config, self._fields, self._timing = config, fields, timing
        per_pixel = max(timing.grant * fields["n_groups"], fields["chunks"])
        self._row_cycles = fields["n_out_cols"] * per_pixel
        self._drained: list[int] = []
        self.last = start

    def finished(self, row: int, time: int) -> None:
        """All PEs have finished an input row; output rows that need no more go out."""
        fields = self._fields
        if not fields["drain"]:
            return
        while len(self._drained) < fields["n_out_rows"]:
            need = min(fields["need_first"] + len(self._drained) * fields["need_step"], fields["n_rows"])
            if row + 1 < need:
                return
            self.last = max(self.last, time + self._timing.drain) + self._row_cycles
            self._drained.append(self.last)

    def room(self, row: int, scan: PassScan) -> int:
        """When the accumulators of the last output row that an input row touches are free."""
        fields = self._fields
        last = min(fields["row_quot"] + int(scan.rows.steps[row]) - fields["out_row_first"], fields["n_out_rows"] - 1)
        index = last - fields["ring_rows"]
        if index < 0 or not fields["drain"]:
            return 0
        return self._drained[index] + 3

    def written(self, out_values: Sequence[int], latency: int) -> list[int]:
        """When each row is in memory."""
        beats = [min(_value_beats(self._config, n, self._fields["out_narrow"]), 16) for n in out_values]
        return [
            time + self._timing.post + n + latency + self._timing.write for time, n in zip(self._drained, beats, strict=True)
        ]
