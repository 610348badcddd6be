"""Cycles that an event costs each PE: stored weights at the positions of its context."""

import numpy as np
import numpy.typing as npt

from quiesce.sim.cycles.decode import PassStep
from quiesce.sim.cycles.scan import RowEvents
from quiesce.sw.config import CoreConfig

__all__ = ["WorkTable"]

Ints = npt.NDArray[np.int64]


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
        self._psum_depth = config.psum_depth
        self._tables: dict[tuple[int, bool], Ints] = {}

    def _sum(self, stored: npt.NDArray[np.bool_], mask: int) -> Ints:
        wanted = [p for p in range(stored.shape[2]) if mask >> p & 1]
        work: Ints = stored[:, :, wanted].sum(axis=2, dtype=np.int64).T
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

    def _operations(self, mask: int, last: bool) -> Ints:
        """Positions of a context with this mask, (n_pes, n)."""
        masks = np.full(len(self._stored), mask)
        if last:
            masks[self._n_last_pes :] &= self._partial
        return masks[:, None] >> np.arange(self._stored.shape[2]) & 1 > 0

    def sums(self, events: RowEvents) -> Ints:
        """Registers for sums that the events of a row fill, (n_pes,): see ``rtl/psum_registers.py``."""
        n_pes, depth = len(self._stored), self._psum_depth
        filled = np.zeros((n_pes, depth), np.bool_)
        base = events.base % depth
        for index, (mask, last) in enumerate(events.masks):
            of_mask = events.mask_id == index
            for value in np.unique(base[of_mask]):
                here = of_mask & (base == value)
                stored = self._stored[:, events.slot[here]] & self._operations(mask, last)[:, None]
                pe = events.pe[here]
                if pe.size and pe[0] >= 0:
                    stored &= (pe == np.arange(n_pes)[:, None])[:, :, None]
                used = stored.any(axis=1)
                registers = (value + self._offset) % depth
                for position in range(used.shape[1]):
                    filled[:, registers[position]] |= used[:, position]
        return filled.sum(axis=1)

    def of(self, events: RowEvents) -> Ints:
        """Work (events, n_pes) of the events of a row."""
        work = np.zeros((len(events.slot), self._stored.shape[0]), np.int64)
        for index, (mask, last) in enumerate(events.masks):
            here = events.mask_id == index
            if here.any():
                work[here] = self._table(mask, last)[events.slot[here]]
        return np.where((events.pe[:, None] < 0) | (events.pe[:, None] == np.arange(work.shape[1])), work, 0)
