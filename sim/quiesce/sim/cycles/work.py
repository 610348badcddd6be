"""Cycles that an event costs each PE: stored weights at the positions of its context."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from quiesce.sim.cycles.decode import PassStep
from quiesce.sim.cycles.scan import RowEvents
from quiesce.spec.config import CoreConfig

__all__ = ["WorkTable"]

Ints = npt.NDArray[np.int64]
Bits = npt.NDArray[np.bool_]


class WorkTable:
    """Work of all slots of a pass, by position mask.

    Parameters
    ----------
    dense : bool
        Positions without a stored weight cost a cycle, too.
    """

    def __init__(self, config: CoreConfig, step: PassStep, n_slots: int, dense: bool = False):
        fields = step.fields
        positions = 1 << fields["slot_log2"]
        first = fields["slot_base"] * positions
        stored = step.stored[:, first : first + n_slots * positions]
        self._stored = np.ones_like(stored) if dense else stored
        self._stored = self._stored.reshape(config.n_pes, -1, positions)[:, :, : len(step.positions)]
        self._partial = fields["partial_mask"]
        self._n_last_pes = fields["n_last_pes"]
        self._offset = np.array([offset for _, _, offset in step.positions])
        self.psum_depth, self._acc_depth = config.psum_depth, config.acc_depth
        self._tables: dict[tuple[int, bool], Ints] = {}

    def _sum(self, stored: Bits, mask: int) -> Ints:
        work: Ints = stored[:, :, self._positions(mask)].sum(axis=2, dtype=np.int64).T
        return work

    def _table(self, mask: int, last: bool) -> Ints:
        """Work (slots, n_pes) in contexts with this mask."""
        if (mask, last) not in self._tables:
            table = self._sum(self._stored, mask)
            if last and self._n_last_pes < table.shape[1]:
                few = self._stored[self._n_last_pes :]
                table[:, self._n_last_pes :] = self._sum(few, mask & self._partial)
            self._tables[mask, last] = table
        return self._tables[mask, last]

    def _positions(self, mask: int) -> Bits:
        """Which positions a mask has."""
        return np.array([mask >> position & 1 for position in range(len(self._offset))], np.bool_)

    def _operations(self, events: RowEvents) -> Iterator[tuple[Ints, Bits]]:
        """Events of each context mask, and the positions that they visit in each PE, (n_pes, events, positions)."""
        for index, (mask, last) in enumerate(events.masks):
            here = np.flatnonzero(events.mask_id == index)
            if not len(here):
                continue
            visited = self._stored[:, events.slot[here]] & self._positions(mask)
            if last:
                visited[self._n_last_pes :] &= self._positions(self._partial)
            pe = events.pe[here]
            if pe[0] >= 0:
                visited &= (pe == np.arange(len(visited))[:, None])[:, :, None]
            yield here, visited

    def sums(self, events: RowEvents) -> Ints:
        """Registers for sums that the events of a row fill, (n_pes,): see ``quiesce.rtl.pe.psum_registers``."""
        filled = np.zeros((len(self._stored), self.psum_depth), np.bool_)
        for here, visited in self._operations(events):
            base = events.base[here] % self.psum_depth
            for value in np.unique(base):
                used = np.logical_or.reduce(visited[:, base == value], axis=1)
                for position, offset in enumerate(self._offset):
                    filled[:, (value + offset) % self.psum_depth] |= used[:, position]
        return np.asarray(filled.sum(axis=1))

    def operations(self, events: RowEvents) -> tuple[Ints, Ints, Ints, Ints]:
        """Operations of the events of a row: PE, event, number within the event, accumulator."""
        parts = [np.zeros((4, 0), np.int64)]
        for here, visited in self._operations(events):
            pe, index, position = np.nonzero(visited)
            ordinal, event = np.cumsum(visited, axis=2)[pe, index, position] - 1, here[index]
            parts.append(np.stack([pe, event, ordinal, (events.base[event] + self._offset[position]) % self._acc_depth]))
        pe, event, ordinal, address = np.concatenate(parts, axis=1)
        return pe, event, ordinal, address

    def of(self, events: RowEvents) -> Ints:
        """Work (events, n_pes) of the events of a row."""
        work = np.zeros((len(events.slot), self._stored.shape[0]), np.int64)
        for index, (mask, last) in enumerate(events.masks):
            here = events.mask_id == index
            if here.any():
                work[here] = self._table(mask, last)[events.slot[here]]
        return np.where((events.pe[:, None] < 0) | (events.pe[:, None] == np.arange(work.shape[1])), work, 0)
