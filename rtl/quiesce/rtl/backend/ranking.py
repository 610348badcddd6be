"""Exact choice of the k largest of many small numbers."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.backend.interfaces import FEATURE_WIDTH, features_layout
from quiesce.rtl.lib.bits import bits_for_index, popcount, prefix_counts
from quiesce.rtl.lib.layouts import pass_layout
from quiesce.spec.config import CoreConfig

__all__ = ["Ranking"]


class Ranking(wiring.Component):
    """Marks the ``n_winners`` channels with the largest maxima; of equal ones the lower channel wins.

    A binary search finds the largest threshold that at least ``n_winners`` channels reach: for each bit, the highest first, one
    sweep over the rows counts the channels that reach it. Channels above the threshold win, and of those at the threshold
    the first ones, until there are enough. If there are not so many positive maxima, the threshold is 0 and all of them win.

    Takes `cycles` cycles after ``start``: a row each cycle, ``FEATURE_WIDTH`` + 1 times.

    Members
    -------
    start : pulse, not while busy
    config : stable while busy
    read_en, read_row, read_data : the maxima, latency one cycle
    write_en, write_row, write_data : marks of a row, one for each channel
    busy : from the cycle after ``start`` on
    done : pulse in the last cycle of it, when the last marks are written
    """

    def __init__(self, config: CoreConfig):
        self._core = config
        row = bits_for_index(config.winner_rows)
        super().__init__(
            {
                "start": In(1),
                "config": In(pass_layout("rank_row", "rank_rows", "n_winners")),
                "read_en": Out(1),
                "read_row": Out(row),
                "read_data": In(features_layout(config)),
                "write_en": Out(1),
                "write_row": Out(row),
                "write_data": Out(config.detector_width),
                "busy": Out(1),
                "done": Out(1),
            }
        )

    @staticmethod
    def cycles(n_rows: int) -> int:
        """Cycles in which the unit is busy."""
        return (FEATURE_WIDTH + 1) * n_rows + 1

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        n_winners = config.n_winners

        # Rows are read, sweep after sweep.
        sweep = Signal(range(FEATURE_WIDTH + 2), init=FEATURE_WIDTH + 1)  # the last one marks
        row = Signal(len(self.read_row), reset_less=True)
        left = Signal(len(config.rank_rows), reset_less=True)
        reading = sweep <= FEATURE_WIDTH
        m.d.comb += [self.read_en.eq(reading), self.read_row.eq(row)]
        with m.If(reading):
            m.d.sync += [row.eq(row + 1), left.eq(left - 1)]
            with m.If(left == 1):
                m.d.sync += [row.eq(config.rank_row), left.eq(config.rank_rows), sweep.eq(sweep + 1)]
        with m.If(self.start):
            m.d.sync += [row.eq(config.rank_row), left.eq(config.rank_rows), sweep.eq(0)]

        # One cycle later a row is compared.
        valid = Signal()
        last = Signal(reset_less=True)
        marks = Signal(reset_less=True)
        m.d.sync += [
            valid.eq(reading), last.eq(left == 1), marks.eq(sweep == FEATURE_WIDTH), self.write_row.eq(row),
        ]  # fmt: skip
        threshold = Signal(FEATURE_WIDTH, reset_less=True)
        bit = Signal(FEATURE_WIDTH, reset_less=True)
        candidate = Signal(FEATURE_WIDTH + 1)
        count = Signal(len(n_winners), reset_less=True)
        total = Signal(len(n_winners) + 1)
        above = Signal(len(n_winners) + 1, reset_less=True)  # channels above the threshold, then those that have won
        reach, equal = Cat(value >= candidate for value in self.read_data), Cat(value == threshold for value in self.read_data)
        chosen = Cat(each & (above + before < n_winners) for each, before in zip(equal, prefix_counts(equal), strict=True))
        m.d.comb += [
            candidate.eq(Mux(marks, threshold + 1, threshold | bit)),
            total.eq(count + popcount(reach)),
            self.write_en.eq(valid & marks),
            self.write_data.eq(reach | chosen),
            self.busy.eq(reading | valid),
            self.done.eq(valid & marks & last),
        ]
        with m.If(valid & marks):
            m.d.sync += above.eq(above + popcount(equal))
        with m.Elif(valid):
            m.d.sync += count.eq(Mux(last, 0, total))
            with m.If(last):
                m.d.sync += bit.eq(bit >> 1)
                with m.If(total >= n_winners):
                    m.d.sync += threshold.eq(candidate)
                with m.Else():
                    m.d.sync += above.eq(total)
        with m.If(self.start):
            m.d.sync += [threshold.eq(0), bit.eq(1 << (FEATURE_WIDTH - 1)), count.eq(0), above.eq(0)]
        return m
