"""Cycles of one pass: its rows through the scanner, the array and the drain."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from quiesce.sim.cycles.decode import PassStep
from quiesce.sim.cycles.drain import DrainModel
from quiesce.sim.cycles.kernel import Process
from quiesce.sim.cycles.latencies import LATENCIES
from quiesce.sim.cycles.queue import EventQueues
from quiesce.sim.cycles.records import ActReaderModel, Record, value_beats
from quiesce.sim.cycles.scan import PassScan, RowEvents
from quiesce.sim.cycles.updates import InputRow
from quiesce.sim.cycles.work import WorkTable
from quiesce.sim.cycles.writes import RowWriter
from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.config import CoreConfig

__all__ = ["PassModel", "PassResult", "PassStart"]

Ints = npt.NDArray[np.int64]
Bits = npt.NDArray[np.bool_]
Kinds = npt.NDArray[np.int8]


@dataclass(frozen=True, kw_only=True)
class PassStart:
    """When the parts of a core begin a pass.

    Members
    -------
    front : scanner; its events wait for the array
    array : PEs
    back : post-processing; draining waits for it
    ranked : when it is known which channels are left out
    """

    front: int
    array: int
    back: int
    ranked: int = 0


@dataclass(kw_only=True)
class PassResult:
    """When the parts are done with a pass, and what it did.

    Members
    -------
    scanned : the front has offered everything
    array_done : the PEs are empty and the accumulators read
    drained : the last output row has left the accumulators
    """

    scanned: int = 0
    array_done: int = 0
    drained: int = 0
    events: int = 0
    macs: int = 0


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Some of a row, which the rings can hold.

    Members
    -------
    events : indices of its events
    end : its last detector cycle
    needed : of each plane that it touches the beats of masks and of values that it needs from the record's start
    freed : the detector cycles with which beats of masks and of values have been used
    """

    events: slice
    end: int
    needed: list[tuple[int, int, int]]
    freed: tuple[Ints, Ints]


def _parts(found: RowEvents, depth: int) -> Iterator[_Part]:
    """The row as a whole if the rings hold it, else its detector cycles cut where half a ring has been used."""
    masks, values = (np.concatenate([getattr(scan, name) for scan in found.planes]) for name in ("masks_used", "values_used"))
    cuts = [found.n_cycles]
    if max(len(masks), len(values)) > depth:
        half = depth // 2
        cuts = sorted({found.n_cycles, *masks[half - 1 :: half].tolist(), *values[half - 1 :: half].tolist()})
    begin = first_event = 0
    for end in cuts:
        stop = int(np.searchsorted(found.cycle, end, side="right"))
        events = slice(first_event, stop)
        needed = []
        for plane, scan in enumerate(found.planes):
            if begin < scan.end and scan.begin < end:
                beats = [
                    len(used) if scan.end <= end else min(len(used), int(np.searchsorted(used, end, side="right")) + 1)
                    for used in (scan.masks_used, scan.values_used)
                ]
                needed.append((plane, beats[0], beats[1]))
        freed = tuple(u[(u > begin) & (u <= end)] for u in (masks, values))
        yield _Part(events=events, end=end, needed=needed, freed=(freed[0], freed[1]))
        begin, first_event = end, stop


class PassModel:
    """A pass of a core.

    Parameters
    ----------
    config : CoreConfig
    step : PassStep
    dense : bool
        Zero-skipping is off.
    """

    def __init__(self, config: CoreConfig, step: PassStep, dense: bool = False):
        self._config, self._fields = config, step.fields
        self._scan = PassScan(config, step, dense)
        fields = step.fields
        n_slots = fields["n_kctx"] * fields["n_gctx"] * fields["ctx_slots"]
        self._work = WorkTable(config, step, n_slots, dense)

    def records(self, rows: Sequence[Sequence[Kinds]], in_offset: int, earliest: Sequence[int]) -> list[Record]:
        """The records of the activations of each input row and plane, the first at ``in_offset`` bytes; rows may be read from
        ``earliest`` on.
        """
        fields, config, size = self._fields, self._config, self._config.beat_bytes
        result = []
        for row, planes in enumerate(rows):
            for plane, kinds in enumerate(planes):
                offset = in_offset + plane * fields["in_plane_stride"] + row * fields["in_row_stride"]
                n_values, narrow = int(np.count_nonzero(kinds)), fields["in_narrow"]
                beats = value_beats(config, narrow, n_values)
                result.append(
                    Record(
                        offset=offset // size,
                        value_offset=(offset + fields["in_value_offset"]) // size,
                        n_masks=fields["in_mask_beats"],
                        n_values=beats,
                        alone=(fields["in_check_alone"], beats - ceil_div(n_values, size << narrow)),
                        earliest=earliest[row],
                    )
                )
        return result

    def run(
        self, start: PassStart, reader: ActReaderModel, writer: RowWriter, rows: Sequence[Sequence[Kinds]],
        records: Sequence[Record], outputs: Bits, out_offset: int, result: PassResult,
    ) -> Process:  # fmt: skip
        """Follow the pass as its records become known.

        Parameters
        ----------
        rows : sequence of sequence of ndarray
            Kinds of the activations of each input row and plane, (n_cols, channels): see `predict`.
        outputs : ndarray
            Which are not zero, (n_out_rows, n_out_cols, channels).
        out_offset : int
            Of the record of their first row, bytes.
        """
        fields, config = self._fields, self._config
        queues = EventQueues(config, bool(fields["targeted"]))
        drain = DrainModel(config, fields, start.array, start.back, writer, outputs, out_offset)
        turn = max(start.front + fields["n_cols"] + fields["col_phase"] + LATENCIES.table, start.ranked)
        row_end = turn
        at = 0
        for row, planes in enumerate(rows):
            found = self._scan.row(row, planes)
            work = self._work.of(found)
            begin = max(turn, drain.room(row, self._scan, turn))
            of_row, at = records[at : at + len(planes)], at + len(planes)
            goes_on, starts = False, []
            for part in _parts(found, config.act_depth):
                while not all(
                    len(of_row[plane].masks) >= n_masks and len(of_row[plane].values) >= n_values
                    for plane, n_masks, n_values in part.needed
                ):
                    yield reader.changed
                begin, row_end = self._scan_part(queues, found, work, part, of_row, begin, start.array, reader, goes_on=goes_on)
                goes_on = goes_on or part.events.stop > part.events.start
                starts.append(queues.starts[: part.events.stop - part.events.start])
            turn = row_end + LATENCIES.row_turn
            ended = InputRow(found, self._work, np.concatenate(starts), queues.free)
            drain.finished(ended)
            result.events += found.n_found
            result.macs += int(work.sum()) * config.n_lanes
        result.scanned = row_end + LATENCIES.scan_end
        drain.finish()
        result.array_done = max([ended.done + LATENCIES.array_end, *(time + LATENCIES.drain_end for time in drain.rows[-1:])])
        result.drained = drain.cut[-1] if drain.cut else 0

    def _row_end(self, cycle: int, late: int) -> Sequence[npt.NDArray[Any]]:
        """The end of a row, which all PEs take: see ``EventQueues.row``."""
        n_pes = self._config.n_pes
        return np.array([cycle]), np.array([late]), np.ones((1, n_pes), np.int64), np.zeros(1, np.bool_), np.zeros(1, np.int64)

    def _scan_part(
        self, queues: EventQueues, found: RowEvents, work: Ints, part: _Part, records: Sequence[Record], begin: int, array: int,
        reader: ActReaderModel, *, goes_on: bool,
    ) -> tuple[int, int]:  # fmt: skip
        """Run the events of a part; returns how late the detector is behind the scan then, and when the last was accepted."""
        here = part.events
        cycle = found.cycle[here]
        # From some detector cycles on the scan is late by what arrives then.
        cycles, offsets = [np.array([0, found.first_found])], [np.array([begin, array + 1 - found.first_found])]
        for plane, n_masks, n_values in part.needed:
            record, scan = records[plane], found.planes[plane]
            first = np.append(scan.begin, scan.masks_used[: n_masks - 1])
            cycles.append(first + 1)
            offsets.append(np.array(record.masks[:n_masks]) + LATENCIES.read - first)
            known = scan.needed_values < n_values
            if known.any():
                cycles.append(scan.needed_from[known])
                offsets.append(np.array(record.values[:n_values])[scan.needed_values[known]] + 1 - cycles[-1])
        at, by = np.concatenate(cycles), np.concatenate(offsets)
        if by.max() > begin:
            order = np.argsort(at, kind="stable")
            at, by = at[order], np.maximum.accumulate(by[order])
        else:
            at, by = at[:1], np.array([begin])
        late = by[np.searchsorted(at, cycle, side="right") - 1]
        until, accepted = int(by[-1]), begin
        events: Sequence[npt.NDArray[Any]] = cycle, late, work[here], found.first[here], found.pe[here]
        if part.end == found.n_cycles:
            end = found.n_cycles + 1
            row_end = self._row_end(end, max(until, array + 1 - end))
            events = [np.concatenate(both) for both in zip(events, row_end, strict=True)]
        if len(events[0]):
            accepted = queues.row(*events, goes_on=goes_on)
        if len(cycle):
            at, by = np.append(at, cycle), np.append(by, queues.scanned[: len(cycle)])
            order = np.argsort(at, kind="stable")
            at, by = at[order], np.maximum.accumulate(by[order])
            until = int(by[-1])
        reader.free(*((by[np.searchsorted(at, used, side="right") - 1] + used + 1).tolist() for used in part.freed))
        return until, accepted
