"""Rows that all PEs have finished."""

from typing import Any

from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from quiesce.spec.config import CoreConfig

__all__ = ["RowJoin"]

_MOST_AHEAD = 8


class RowJoin(wiring.Component):
    """Counts how many rows each PE is ahead of the last one.

    Members
    -------
    finished : per PE a pulse, it has finished one more input row
    row_done : pulse, all have finished one more
    hold : per PE, it is too far ahead to begin another row; those under way in it still arrive
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__({"finished": In(config.n_pes), "row_done": Out(1), "hold": Out(config.n_pes)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        n_pes = self._config.n_pes
        ahead = [Signal(range(4 * _MOST_AHEAD), name=f"ahead_{n}") for n in range(n_pes)]
        m.d.comb += self.row_done.eq(Cat(rows != 0 for rows in ahead).all())
        for n, rows in enumerate(ahead):
            m.d.comb += self.hold[n].eq(rows >= _MOST_AHEAD)
            with m.If(self.finished[n] | self.row_done):
                m.d.sync += rows.eq(rows + self.finished[n] - self.row_done)
        return m
