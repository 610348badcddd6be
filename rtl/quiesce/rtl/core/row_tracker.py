"""Which output rows have reached memory."""

from typing import Any

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["RowTracker"]


class RowTracker(wiring.Component):
    """Counts the rows of a pass whose writes have all been answered, from bursts and answers alone.

    Answers come in the order of the bursts. So when as many have come as bursts were open at some moment, every row that had been
    handed on by then is in memory. One such moment is kept at a time; a row is thus reported at most two write latencies late.

    Members
    -------
    start : pulse, rows of another pass from now on; ``rows_handed`` counts them from the second cycle after it on
    rows_handed : rows of which the write DMA has taken every burst
    open_bursts, answered : bursts that the DMA has taken and that have no answer yet, and an answer in this cycle
    rows : rows in memory
    older_done : everything written before ``start`` is in memory
    """

    def __init__(self, burst_bits: int):
        self._burst_bits = burst_bits
        super().__init__(
            {
                "start": In(1),
                "rows_handed": In(16),
                "open_bursts": In(burst_bits),
                "answered": In(1),
                "rows": Out(16),
                "older_done": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        left = Signal(self._burst_bits)  # of the bursts that were open at the moment kept
        older = Signal(self._burst_bits)  # of those that were open at the last ``start``
        marked = Signal(16)  # rows handed on when ``left`` bursts were open
        starting = Signal()
        still_open = (self.open_bursts - self.answered)[: self._burst_bits]
        m.d.comb += self.older_done.eq(older == 0)
        with m.If(self.answered & (older != 0)):
            m.d.sync += older.eq(older - 1)
        m.d.sync += starting.eq(self.start)
        with m.If(left != 0):
            m.d.sync += left.eq(left - self.answered)
        with m.Elif(~starting & ((self.rows != marked) | (marked != self.rows_handed) | (still_open != 0))):
            m.d.sync += [self.rows.eq(marked), marked.eq(self.rows_handed), left.eq(still_open)]
        with m.If(self.start):
            m.d.sync += [older.eq(still_open), left.eq(0), marked.eq(0), self.rows.eq(0)]
        return m
