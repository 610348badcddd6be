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

    def of(self, events: RowEvents) -> Ints:
        """Work (events, n_pes) of the events of a row."""
        work = np.zeros((len(events.slot), self._stored.shape[0]), np.int64)
        for index, (mask, last) in enumerate(events.masks):
            here = events.mask_id == index
            if here.any():
                work[here] = self._table(mask, last)[events.slot[here]]
        return np.where((events.pe[:, None] < 0) | (events.pe[:, None] == np.arange(work.shape[1])), work, 0)
