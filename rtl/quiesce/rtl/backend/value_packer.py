"""Nonzero values of chunks to beats."""

from functools import reduce
from operator import or_
from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from quiesce.rtl.backend.encoder_ports import bytes_of, packer_members
from quiesce.rtl.frontend.record_check import CHECK_BITS
from quiesce.rtl.lib.bits import popcount
from quiesce.spec.config import CoreConfig

__all__ = ["ValuePacker"]


class ValuePacker(wiring.Component):
    """Pack the nonzero values, 8 or 4 bits each, into beats, each row from a fresh beat on, the last beat filled up with zeros.

    A full beat waits for the next value or the end of its row, so that the last beat of a row is known as such. In a core with
    ``record_check`` it has room for a check. One chunk per cycle; one cycle more for a row whose last chunk has values for two
    beats. Latency two cycles.

    Members
    -------
    narrow : values take 4 bits; stable during a pass
    i_chunks : ``count`` is not used
    o_beats : one ``empty`` item for a row without nonzero values
    """

    def __init__(self, config: CoreConfig):
        self._core = config
        super().__init__(packer_members(config, narrow=In(1)))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        # Everything is counted in half bytes.
        n_chunk, n_full = 2 * self._core.post_units, 2 * self._core.beat_bytes
        values = Signal(4 * n_chunk)
        n_values = Signal(range(n_chunk + 1))
        row_last = Signal(reset_less=True)
        valid = Signal()
        done = Signal()
        rest = Signal()
        self._take(m, valid, done, rest, values, n_values, row_last)

        # Second stage: behind the values of the beat. What does not fit starts the next beat.
        packed = self.o_beats.payload
        beat = Signal(4 * n_full)
        n_beat = Signal(range(n_full + 1))
        merged = Signal(4 * (n_full + n_chunk))
        total = Signal(range(n_full + n_chunk + 1))
        overflow = Signal()
        free = Signal()
        begun = Signal()  # the last beat of the row has beats before it
        room = Mux(row_last & (total != 0), n_full - CHECK_BITS // 4, n_full) if self._core.record_check else n_full
        m.d.comb += [
            merged.eq(beat | (values << Cat(Const(0, 2), n_beat))),
            total.eq(n_beat + n_values),
            overflow.eq(total > room),
            free.eq(self.o_beats.ready | ~self.o_beats.valid),
            done.eq(free & ~(overflow & row_last)),
            rest.eq(valid & free & ~done),
        ]
        with m.If(free):
            m.d.sync += self.o_beats.valid.eq(valid & (overflow | row_last))
        with m.If(free & valid):
            with m.If(overflow | row_last):
                m.d.sync += [packed.beat.eq(merged), packed.last.eq(~overflow), packed.empty.eq((total == 0) & ~begun)]
            if self._core.record_check:
                m.d.sync += begun.eq(overflow & row_last)
            with m.If(overflow):
                m.d.sync += [beat.eq(merged[4 * n_full :]), n_beat.eq(Mux(total > n_full, total - n_full, 0))]
            with m.Elif(row_last):
                m.d.sync += [beat.eq(0), n_beat.eq(0)]
            with m.Else():
                m.d.sync += [beat.eq(merged), n_beat.eq(total)]
        return m

    def _take(
        self, m: Module, valid: Signal, done: Signal, rest: Signal, values: Signal, n_values: Signal, row_last: Signal
    ) -> None:
        """First stage: the nonzero values of a chunk, moved together."""
        chunk = self.i_chunks.payload
        nonzero = Cat(value.any() for value in bytes_of(chunk))
        compact = Signal(len(values))
        n_nonzero = popcount(nonzero)
        halves = Cat(compact.word_select(index, 8)[:4] for index in range(self._core.post_units))
        m.d.comb += [
            self.i_chunks.ready.eq(~valid | done),
            compact.eq(self._compact(bytes_of(chunk))),
        ]
        with m.If(self.i_chunks.ready):
            m.d.sync += valid.eq(self.i_chunks.valid & (nonzero.any() | chunk.row_last))
        with m.If(self.i_chunks.ready & self.i_chunks.valid):
            m.d.sync += [
                values.eq(Mux(self.narrow, halves, compact)),
                n_values.eq(Mux(self.narrow, n_nonzero, n_nonzero << 1)),
                row_last.eq(chunk.row_last),
            ]
        with m.Elif(rest):
            # The rest of the row, if any, goes out in the next cycle, as if a chunk of zeros had come.
            m.d.sync += [values.eq(0), n_values.eq(0)]

    @staticmethod
    def _compact(values: list[Value]) -> Value:
        """The nonzero ones of ``values`` from the lowest byte on, zeros behind them."""
        nonzero = [value.any() for value in values]
        ranks = [popcount(Cat(nonzero[:index])) if index else 0 for index in range(len(values))]
        return Cat(
            reduce(or_, [Mux(ranks[index] == slot, values[index], 0) for index in range(slot, len(values))])
            for slot in range(len(values))
        )
