"""Row records on their way from memory into the rings in front of the scanner."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from quiesce.sim.cycles.bus import OUTSTANDING, ReadPort, bursts_of
from quiesce.sim.cycles.kernel import Kernel, Process, Signal
from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.checksums import CHECK_BYTES
from quiesce.spec.config import CoreConfig

__all__ = ["ActReaderModel", "Record", "Ring", "value_beats"]

_ACTIVATIONS = 0  # client of the read port
_NEVER = 1 << 62
_COUNTED = 4
"""Cycles from the last mask beat of a record until its number of values is known."""


@dataclass(kw_only=True, eq=False)
class Record:
    """A row of a plane.

    Members
    -------
    offset, value_offset : beats from the start of the region
    n_masks, n_values : beats
    alone : beats, of the last ones of masks and of values, that are nothing but a check and go into no ring
    earliest : the record may be read from then on
    closes, opens : but not behind the first of these cycles and before the second, see `ActReader.postpone`
    masks, values : when each beat comes, as far as known
    """

    offset: int
    value_offset: int
    n_masks: int
    n_values: int
    alone: tuple[int, int]
    earliest: int
    closes: int = _NEVER
    opens: int = 0
    masks: list[int] = field(default_factory=list)
    values: list[int] = field(default_factory=list)


def value_beats(config: CoreConfig, narrow: int, n_values: int) -> int:
    """Beats of so many values of a record, 4 bits each if ``narrow``, their check included."""
    check = CHECK_BYTES << narrow if config.record_check and n_values else 0
    return ceil_div(n_values + check, config.beat_bytes << narrow)


class Ring:
    """A ring buffer: what is requested has room.

    Members
    -------
    requested : beats so far
    freed : when each beat has been used, as far as known
    """

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self.requested = 0
        self.freed: list[int] = []

    def room(self, beats: int) -> int | None:
        """When there is room for the next so many beats, if that is known."""
        last = self.requested + beats - self._depth
        if last <= 0:
            return 0
        return self.freed[last - 1] + 1 if last <= len(self.freed) else None


class ActReaderModel:
    """Reads the records of one pass after the other: ``quiesce.rtl.frontend.act_reader``.

    Members
    -------
    changed : more beats of a record are known
    masks, values : the rings
    """

    def __init__(self, kernel: Kernel, config: CoreConfig, port: ReadPort) -> None:
        self._kernel, self._config, self._port = kernel, config, port
        self.masks, self.values = Ring(config.act_depth), Ring(config.act_depth)
        self.changed = Signal(kernel)
        self._ends: list[int] = []  # last beats of the bursts
        self._wake = Signal(kernel)

    def read(self, start: int, records: Sequence[Record]) -> None:
        """Begin a pass in this cycle."""
        self._kernel.at(start, lambda: self._kernel.spawn(self._run(start + 2, records)))

    def done(self, records: Sequence[Record]) -> int:
        """When all of a pass has come, every beat being known."""
        return max(self._ends[-1], records[-1].masks[-1] + _COUNTED) + 1

    def postpone(self, records: Sequence[Record], after: int, time: int) -> None:
        """Records that wait for rows, and are not read by ``after``, are read from a later ``time`` on."""
        for record in records:
            if record.earliest:
                record.closes, record.opens = after, time
        self._wake.notify()

    def free(self, masks: list[int], values: list[int]) -> None:
        """The next beats of both rings will have been used by these cycles."""
        self.masks.freed += masks
        self.values.freed += values
        self._wake.notify()

    def _come(self, record: Record, is_value: bool, beats: int, first: int) -> None:
        ring, times, total = (
            (self.values, record.values, record.n_values) if is_value else (self.masks, record.masks, record.n_masks)
        )
        times.extend(range(first, first + beats))
        if len(times) == total:
            ring.requested -= record.alone[is_value]
        self._ends.append(first + beats - 1)
        self.changed.notify()
        self._wake.notify()

    def _run(self, now: int, records: Sequence[Record]) -> Process:
        """A cycle after another: load the next record into the cutters, and take a burst of values, or else of masks."""
        kernel, port, ends = self._kernel, self._port, self._ends
        behind: deque[tuple[int, Record]] = deque()  # records whose masks are requested, and when a value load may follow
        loads: list[int] = []  # when values have been loaded
        masks: deque[int] = deque()
        values: deque[int] = deque()
        mask_idle = value_idle = now  # from when on a cutter may be loaded
        mask_valid = value_valid = 0  # when its bursts are there
        n_loaded, n_taken = 0, len(ends)
        reading = valued = records[0]
        while n_loaded < len(records) or masks or behind or values:
            candidates: list[int] = []
            # Loads.
            if not masks and n_loaded < len(records):
                record = records[n_loaded]
                ahead = n_loaded - self._config.masks_ahead
                if record.earliest > kernel.now:  # that may change
                    candidates.append(record.earliest)
                elif record.closes < kernel.now < record.opens:
                    candidates.append(record.opens)
                elif ahead < len(loads):
                    load = max(mask_idle, record.earliest, loads[ahead] + 1 if ahead >= 0 else 0)
                    if record.closes < load:
                        load = max(load, record.opens)
                    masks.extend(bursts_of(record.offset, record.n_masks))
                    mask_valid, reading = load + 1, record
                    behind.append((n_loaded, record))
                    n_loaded += 1
            if not values and behind and len(behind[0][1].masks) == behind[0][1].n_masks:
                _, valued = behind.popleft()
                load = max(value_idle, valued.masks[-1] + _COUNTED)
                loads.append(load)
                values.extend(bursts_of(valued.value_offset, valued.n_values))
                value_valid, value_idle = load + 1, load + 1
                continue
            # Takes: those known, at the earliest.
            if port.asked[_ACTIVATIONS] is None:
                tag = 0
                if n_taken >= OUTSTANDING:
                    tag = ends[n_taken - OUTSTANDING] + 1 if len(ends) > n_taken - OUTSTANDING else -1
                if tag >= 0:
                    value_room = self.values.room(values[0]) if values else None
                    mask_room = self.masks.room(masks[0]) if masks else None
                    value_time = None if value_room is None else max(value_valid, value_room, tag, kernel.now)
                    mask_time = None if mask_room is None else max(mask_valid, mask_room, tag, kernel.now)
                    is_value = value_time is not None and (mask_time is None or value_time <= mask_time)
                    time = value_time if is_value else mask_time
                    if time is not None:
                        if time <= kernel.now:
                            record, bursts, ring = (valued, values, self.values) if is_value else (reading, masks, self.masks)
                            beats = bursts.popleft()
                            ring.requested += beats
                            n_taken += 1
                            if is_value:
                                value_valid = value_idle = kernel.now + 1
                            else:
                                mask_valid = mask_idle = kernel.now + 1
                            yield from self._ask(record, is_value, beats)
                            continue
                        candidates.append(time)
            for time in candidates:
                kernel.at(time, self._wake.notify)
            yield self._wake

    def _ask(self, record: Record, is_value: bool, beats: int) -> Process:
        """The request is in its register from the next cycle on; another may follow in the cycle in which it is taken."""
        now = self._kernel.now
        yield now + 1
        self._port.ask(_ACTIVATIONS, beats, partial(self._come, record, is_value, beats))
        while self._port.asked[_ACTIVATIONS]:
            yield self._port.taken
