"""When sums go from the registers of the PEs into their accumulators, and when the drain finds the banks free."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from quiesce.sim.cycles.scan import RowEvents
from quiesce.sim.cycles.work import WorkTable

__all__ = ["InputRow", "Updates"]

Ints = npt.NDArray[np.int64]
Bits = npt.NDArray[np.bool_]

_NONE = -1
_TO_SUMS = 3
"""Cycles from the walk of an operation to its register."""
_TO_JOIN = 1
"""Cycles from the end of a row in the last PE to that of the row."""


class InputRow:
    """An input row whose events have been walked, in the registers for sums: see ``quiesce.rtl.pe.psum_registers``.

    An operation that finds the sum of another accumulator in its register replaces it, which then goes into its accumulator. The
    sums that are left at the end of a row follow, lowest register first, in cycles in which no operation replaces one.

    Parameters
    ----------
    starts : ndarray
        When each PE begins with each event, (events, n_pes).
    free : ndarray
        When each PE has finished all of them, (n_pes,).

    Members
    -------
    first : when the first operation comes, at the earliest
    done : when the row ends in all PEs, if no other follows at once
    replaced : when operations take a bank: PE, cycle and bank, (3, n)
    ends : when the row ends in each PE, -1 for not before the next row
    """

    def __init__(self, events: RowEvents, work: WorkTable, starts: Ints, free: Ints) -> None:
        self._events, self._work, self._starts = events, work, starts
        self.row_end = free - 1 + _TO_SUMS
        self.first = int(starts.min() if len(starts) else free.min()) + _TO_SUMS
        self.done = int((self.row_end + work.sums(events)).max()) + 1 + _TO_JOIN
        self.replaced = np.zeros((3, 0), np.int64)
        self._left: list[list[tuple[int, int, int]]] = [[]] * len(free)
        self.ends = np.zeros(len(free), np.int64)
        self._held: list[dict[int, int]] = []
        """Accumulators of the sums in the registers of each PE at the end of the row, or carried over from the one before."""

    @property
    def followed(self) -> bool:
        """Whether it is known what its operations replace."""
        return bool(self._held)

    def follow(self, before: "InputRow | None") -> None:
        """Find out what the operations replace, and how the sums of the row before leave beside them."""
        if self.followed:
            return
        depth, n_pes = self._work.psum_depth, len(self.row_end)
        pe, event, ordinal, address = self._work.operations(self._events)
        time = self._starts[event, pe] + ordinal + _TO_SUMS
        order = np.lexsort((time, pe))
        pe, time, address = pe[order], time[order], address[order]
        place = pe * depth + address % depth
        order = np.argsort(place, kind="stable")
        same = np.append(False, np.diff(place[order]) == 0)[: len(order)]
        replaces = np.zeros(len(order), np.bool_)
        replaces[order] = same & np.append(False, np.diff(address[order]) != 0)[: len(order)]
        bounds = np.searchsorted(pe, np.arange(n_pes + 1))
        self._held = []
        for n in range(n_pes):
            here = slice(bounds[n], bounds[n + 1])
            mine = {address % depth: address for address in address[here].tolist()}
            if before:
                stale, empty = before._leave(n, time[here], address[here], replaces[here], int(self.row_end[n]))
                mine = stale | {register: address for register, address in mine.items() if register not in empty}
            self._held.append(dict(sorted(mine.items())))
        self.replaced = np.stack([pe, time, address % 2])[:, replaces]

    @property
    def left(self) -> Ints:
        """When the sums at its end take a bank, like ``replaced``."""
        return np.array([item for items in self._left for item in items], np.int64).reshape(-1, 3).T

    def leave(self) -> None:
        """Its sums leave, no row being known that follows."""
        none = np.zeros(0, np.int64)
        for pe in range(len(self.row_end)):
            self._leave(pe, none, none, np.zeros(0, np.bool_), 1 << 62)

    def _leave(self, pe: int, times: Ints, addresses: Ints, replaces: Bits, until: int) -> tuple[dict[int, int], set[int]]:
        """The same in a PE, beside these operations of the next row, which ends then; ``replaces`` is completed.

        Returns
        -------
        stale : dict of int to int
            The sums that have not left by then.
        emptied : set of int
            Registers that are empty then although the next row has added to them.
        """
        depth, stale = self._work.psum_depth, dict(self._held[pe])
        now, last = int(self.row_end[pe]) + 1, int(self.row_end[pe])  # and when the last of them has been removed so far
        left = self._left[pe] = []
        joined: set[int] = set()  # that the next row has added to
        emptied: set[int] = set()  # and that have left with that

        def leave(present: int = _NONE) -> None:
            register = next(iter(stale))
            del stale[register]
            left.append((pe, now, register % 2))
            if register in joined and register != present:
                emptied.add(register)

        for index, (time, address) in enumerate(zip(times.tolist(), addresses.tolist(), strict=True)):
            while stale and now < time:
                leave()
                last, now = now, now + 1
            if not stale and not emptied:
                break
            now, register = time, address % depth
            if register in emptied:
                emptied.remove(register)
                replaces[index] = False
            elif stale.get(register, address) != address:
                del stale[register]
                last, replaces[index] = now, True
            elif register in stale:
                joined.add(register)
            if stale and not replaces[index]:
                leave(register)
                last = now
            now += 1
        while stale and now <= until:
            leave()
            last, now = now, now + 1
        self.ends[pe] = last + 1 if last < until and not stale else _NONE
        return stale, emptied


def _ends(rows: Sequence[InputRow], unknown: int) -> list[Ints]:
    """When each row ends in each PE: together with a later one that ends first, and a cycle after the row before; ``unknown`` if
    that is none of these rows.
    """
    later = np.full_like(rows[-1].ends, unknown)
    ends = [later := np.where(row.ends == _NONE, later, row.ends) for row in reversed(rows)][::-1]
    for before, after in pairwise(range(len(ends))):
        ends[after] = np.maximum(ends[after], ends[before] + 1)
    return ends


class Updates:
    """The banks of all PEs from some cycle on: see ``quiesce.rtl.pe.accumulator``.

    Parameters
    ----------
    rows : sequence of InputRow
        One after the other, each followed by the next.
    index : int
        Of the row that is asked for.
    begin, n_cycles : int
        The banks are taken to be free behind these.

    Members
    -------
    done : when this row ends in all PEs
    """

    def __init__(self, rows: Sequence[InputRow], index: int, n_pes: int, begin: int, n_cycles: int) -> None:
        self._begin, self._n_cycles = begin, n_cycles
        busy = np.zeros((2, n_pes, n_cycles), np.bool_)
        for row in rows[max(0, index - 1) :]:  # the sums of any other have left, or belong to the next row
            for pe, time, bank in (row.replaced, row.left):
                inside = (time >= begin) & (time < begin + n_cycles)
                busy[bank[inside], pe[inside], time[inside] - begin] = True
        at = np.where(busy, n_cycles, np.arange(n_cycles))
        self._free = np.minimum.accumulate(at[:, :, ::-1], axis=2)[:, :, ::-1]
        self._free_of: dict[tuple[int, int], list[int]] = {}
        self.done = int(_ends(rows, begin + n_cycles)[index].max()) + _TO_JOIN if rows else 0

    def free(self, time: int, bank: int, n_pes: int) -> int:
        """When the first ``n_pes`` PEs have each had a cycle from ``time`` on in which the bank was free."""
        at = time - self._begin
        if not 0 <= at < self._n_cycles:
            return time
        if (bank, n_pes) not in self._free_of:
            self._free_of[bank, n_pes] = self._free[bank, :n_pes].max(axis=0).tolist()
        return self._begin + self._free_of[bank, n_pes][at]
