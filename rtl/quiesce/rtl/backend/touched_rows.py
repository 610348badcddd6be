"""Which output rows of a pass no change has reached."""

from typing import Any

from amaranth import Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["TouchedRows"]


class TouchedRows(wiring.Component):
    """Marks the output rows that events may have reached, a bit each for `ROWS` rows from the next one to be drained on.

    An input row with events marks all rows up to the last one whose window it lies in. Some of them may not see it, and if rows
    are drained late, or more than `ROWS` of them wait, still more are marked: a marked row is drained, which is never wrong. What
    passes before have left in the accumulators is not known row by row, so it marks all.

    Members
    -------
    start : pulse; a pass begins in the array, after ``event`` and ``row_end`` of the one before and ahead of its own
    drains : it drains its sums; valid with ``start``
    event, row_end : an event, or the end of an input row, goes to the array
    last_row : last output row that the input row reaches, from the first of the pass on; negative if none
    drained : output rows drained
    known, clean : whether the next row to be drained has no mark is known, once all input rows that it needs have ended; it has
        none
    """

    ROWS = 32

    def __init__(self) -> None:
        super().__init__(
            {
                "start": In(1),
                "drains": In(1),
                "event": In(1),
                "row_end": In(1),
                "last_row": In(signed(18)),
                "drained": In(16),
                "known": Out(1),
                "clean": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        marks = Signal(self.ROWS)
        base = Signal(16)  # the row of the lowest mark
        seen = Signal()  # the input row has events
        any_seen = Signal()  # so has the pass
        draining = Signal(init=1)  # the pass drains
        all_marked = Signal()
        reached = Signal(signed(19))  # last row reached, from that of the lowest mark on
        below = Signal(range(self.ROWS + 1))  # rows reached
        marked = Signal(self.ROWS)
        passed = Signal()  # a row has been drained, its mark goes
        m.d.comb += [
            reached.eq(self.last_row - base),
            below.eq(Mux(reached < 0, 0, Mux(reached >= self.ROWS, self.ROWS, reached + 1))),
            marked.eq(marks | Mux(self.row_end & seen, (Const(1, self.ROWS + 1) << below) - 1, 0)),
            passed.eq(base != self.drained),
            self.known.eq(~passed),
            self.clean.eq(~all_marked & ~marks[0]),
        ]
        # Marks and their base stand still but when a row is reached or drained, and so may their clocks.
        with m.If(self.start):
            m.d.sync += marks.eq(0)
        with m.Elif(passed | (self.row_end & seen)):
            m.d.sync += marks.eq(Mux(passed, marked >> 1, marked))
        with m.If(self.start):
            m.d.sync += base.eq(0)
        with m.Elif(passed):
            m.d.sync += base.eq(base + 1)
        with m.If(self.start):
            m.d.sync += [
                seen.eq(0), any_seen.eq(0), draining.eq(self.drains), all_marked.eq(~draining & (all_marked | any_seen)),
            ]  # fmt: skip
        with m.Else():
            m.d.sync += [
                seen.eq((seen & ~self.row_end) | self.event),
                any_seen.eq(any_seen | self.event),
                all_marked.eq(all_marked | (self.row_end & seen & (reached >= self.ROWS))),
            ]
        return m
