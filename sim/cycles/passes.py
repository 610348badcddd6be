"""Cycles of one pass."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quiesce.sim.cycles.decode import PassStep
from quiesce.sim.cycles.drain import DrainModel
from quiesce.sim.cycles.prefetch import Prefetch
from quiesce.sim.cycles.queue import EventQueues
from quiesce.sim.cycles.records import RecordReader, Rings
from quiesce.sim.cycles.scan import PassScan
from quiesce.sim.cycles.timing import Timing
from quiesce.sim.cycles.work import WorkTable
from quiesce.sw.config import CoreConfig
from quiesce.sw.format.geometry import ceil_div
from quiesce.sw.isa import CHECK_BYTES

__all__ = ["PassModel", "PassStart", "PassTimes"]

Kinds = npt.NDArray[np.int8]


@dataclass(frozen=True, kw_only=True)
class PassStart:
    """When the parts of a core begin a pass.

    Members
    -------
    reader : its records go to the ``rings``
    front : scanner; its events wait for the array
    array : PEs
    back : post-processing; draining waits for it
    rows : when each input row may be read
    ranked : when it is known which channels are left out
    ahead : beats of activations that are read before the sequencer offers the pass
    prefetch : of the program, meanwhile
    """

    reader: int
    front: int
    array: int
    back: int
    rows: Sequence[int]
    rings: Rings
    prefetch: Prefetch
    ranked: int = 0
    ahead: int = 0


@dataclass(frozen=True, kw_only=True)
class PassTimes:
    """When the parts are done with a pass, and what it did.

    Members
    -------
    arrived : all activations have been read
    scanned : the front has offered everything
    array_done : the PEs are empty and the accumulators read
    rows : when each output row has left post-processing; empty if partial sums stay
    beats : of activations read
    """

    arrived: int
    scanned: int
    array_done: int
    rows: list[int]
    beats: int
    events: int
    macs: int


class PassModel:
    """One pass on a core.

    Parameters
    ----------
    config : CoreConfig
    step : PassStep
    dense : bool
        Zero-skipping is off.
    """

    def __init__(self, config: CoreConfig, step: PassStep, *, timing: Timing, dense: bool = False):
        self._config, self._fields, self._timing = config, step.fields, timing
        self._scan = PassScan(config, step, dense)
        fields = step.fields
        n_slots = fields["n_kctx"] * fields["n_gctx"] * fields["ctx_slots"]
        self._work = WorkTable(config, step, n_slots, dense)

    def beats_ahead(self, rows: Sequence[Sequence[Kinds]]) -> list[int]:
        """Beats of activations of the first 1, 2, ... rows that fit into the rings while nothing is scanned."""
        depth = self._config.act_depth
        masks = values = behind = 0
        result = []
        for planes in rows:
            for plane in planes:
                behind += values >= depth
                if masks < depth and behind <= self._config.masks_ahead:
                    masks += self._fields["in_mask_beats"]
                    values += self._value_beats(plane)
            result.append(min(masks, depth) + min(values, depth))
        return result

    def _value_beats(self, plane: Kinds) -> int:
        n_values, narrow = int(np.count_nonzero(plane)), self._fields["in_narrow"]
        check = CHECK_BYTES << narrow if self._config.record_check and n_values else 0
        return ceil_div(n_values + check, self._config.beat_bytes << narrow)

    def run(self, start: PassStart, rows: Sequence[Sequence[Kinds]]) -> PassTimes:
        """Times of the pass.

        Parameters
        ----------
        rows : sequence of sequence of ndarray
            Kinds of the activations of each input row and plane, (n_cols, channels): see `predict`.
        """
        fields, timing, config = self._fields, self._timing, self._config
        queues = EventQueues(config, bool(fields["targeted"]))
        # Sums that are held at the end of a row leave one a cycle.
        row_end = timing.row_end + min(config.psum_depth, fields["n_groups"] * fields["n_out_cols"])
        reader = RecordReader(start.rings, timing, start.prefetch, start.reader)
        drain = DrainModel(config, fields, timing, max(start.array, start.back))
        turn = max(start.front + fields["n_cols"] + fields["col_phase"] + timing.table, start.ranked)
        events = macs = 0
        marker = ended = turn
        for row, planes in enumerate(rows):
            found = self._scan.row(row, [plane > 1 for plane in planes])
            work = self._work.of(found)
            begin, begins = max(turn, drain.room(row, self._scan), start.array), []
            for plane, before in zip(planes, found.plane_cycles, strict=True):  # each waits for its record
                beats = fields["in_mask_beats"], self._value_beats(plane)
                masks, values = reader.record(*beats, earliest=start.rows[row])
                begin = max(begin, masks - int(before), values - int(before) if beats[1] else 0)
                begins.append(begin)
            cycle = np.append(found.cycle, found.n_cycles + 1)
            load = np.concatenate([work, np.ones((1, config.n_pes), np.int64)])
            earliest = np.array(begins)[np.append(found.plane, -1)]
            marker = queues.row(earliest, cycle, load, np.append(found.first, False), np.append(found.pe, 0))
            turn = marker + timing.row_turn
            start.rings.freed(marker, start.rings.requested.copy())
            ended = max(ended, int(queues.free.max()) + row_end)
            drain.finished(row, ended, int(work.sum(axis=0).max()))
            events += found.n_found
            macs += int(work.sum()) * config.n_lanes
        done = max([ended + timing.array_end, *(time + timing.drain_end for time in drain.rows[-1:])])
        return PassTimes(
            arrived=reader.arrived, scanned=marker + timing.scan_end, array_done=done, rows=drain.handed, beats=reader.beats,
            events=events, macs=macs,
        )  # fmt: skip
