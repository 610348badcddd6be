"""Nonzero values of chunks to beats."""

from functools import reduce
from operator import or_
from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In

from quiesce.rtl.backend.encoder_ports import bits_of, packer_members
from quiesce.rtl.frontend.record_check import CHECK_BITS
from quiesce.rtl.lib.bits import popcount
from quiesce.spec.config import CoreConfig

__all__ = ["ValuePacker"]


class ValuePacker(wiring.Component):
    """Pack the nonzero values, 4, 8 or 16 bits each, into beats, each row from a fresh beat on, the last one filled with zeros.

    A full beat waits for the next value or the end of its row, so that the last beat of a row is known as such. In a core with
    ``record_check`` it has room for a check. One chunk per cycle; one cycle more for a row whose last chunk has values for two
    beats, and for a chunk in which more than half of the values are nonzero and take 16 bits. Latency two cycles.

    Members
    -------
    narrow : values take 4 bits, else 8; stable during a pass
    wide : only with state between items: values take 16 bits; stable during a pass
    i_chunks : ``count`` is not used
    o_beats : one ``empty`` item for a row without nonzero values
    """

    def __init__(self, config: CoreConfig):
        self._core = config
        wide = {"wide": In(1)} if config.state_depth else {}
        super().__init__(packer_members(config, narrow=In(1), **wide))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        # Everything is counted in half bytes.
        n_chunk, n_full = self._n_chunk, 2 * self._core.beat_bytes
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

    @property
    def _n_chunk(self) -> int:
        """Half bytes of the values that are merged into beats at a time: of a chunk, or of half a chunk of 16 bits each."""
        return max(4, 2 * self._core.post_units) if self._core.state_depth else 2 * self._core.post_units

    def _take(
        self, m: Module, valid: Signal, done: Signal, rest: Signal, values: Signal, n_values: Signal, row_last: Signal
    ) -> None:
        """First stage: the nonzero values of a chunk, moved together."""
        chunk = self.i_chunks.payload
        nonzero = Cat(value.any() for value in bits_of(chunk))
        compact = Signal(data.ArrayLayout(self._core.operand_width, self._core.post_units))
        n_nonzero = popcount(nonzero)
        taken = Signal()
        m.d.comb += [
            self.i_chunks.ready.eq(~valid | done),
            taken.eq(self.i_chunks.ready & self.i_chunks.valid),
            *(slot.eq(value) for slot, value in zip(compact, self._compact(bits_of(chunk)), strict=True)),
        ]
        halves, octets = Cat(value[:4] for value in compact), Cat(value[:8] for value in compact)
        with m.If(self.i_chunks.ready):
            m.d.sync += valid.eq(self.i_chunks.valid & (nonzero.any() | chunk.row_last))
        with m.If(taken):
            m.d.sync += [
                values.eq(Mux(self.narrow, halves, octets)),
                n_values.eq(Mux(self.narrow, n_nonzero, n_nonzero << 1)),
                row_last.eq(chunk.row_last),
            ]
        with m.Elif(rest):
            # The rest of the row, if any, goes out in the next cycle, as if a chunk of zeros had come.
            m.d.sync += [values.eq(0), n_values.eq(0)]
        if self._core.state_depth:
            self._take_wide(
                m, taken, done, [value.as_signed() for value in compact], n_nonzero, valid, values, n_values, row_last
            )

    def _take_wide(
        self, m: Module, taken: Signal, done: Signal, compact: list[Value], n_nonzero: Value, valid: Signal, values: Signal,
        n_values: Signal, row_last: Signal,
    ) -> None:  # fmt: skip
        """Values of 16 bits: those in the upper half of a chunk, if any, follow in the next cycle that takes some."""
        half = len(values) // 16
        words = Cat(Cat(value, value[-1].replicate(16 - len(value))) for value in compact)
        if half == len(compact):  # there is no upper half
            with m.If(taken & self.wide):
                m.d.sync += [values.eq(words), n_values.eq(n_nonzero << 2)]
            return
        n_upper = Signal(range(half + 1))
        upper = Signal(16 * half, reset_less=True)
        upper_last = Signal(reset_less=True)
        both, chunk_last = n_nonzero > half, self.i_chunks.payload.row_last
        with m.If(n_upper != 0):  # on its own: beside the branch of `taken`, which depends on it, it would make a loop
            m.d.comb += self.i_chunks.ready.eq(0)
        with m.If(n_upper != 0):
            with m.If(done):
                m.d.sync += [values.eq(upper), n_values.eq(n_upper << 2), row_last.eq(upper_last), n_upper.eq(0)]
        with m.Elif(taken & self.wide):
            m.d.sync += [
                values.eq(words[: len(values)]), n_values.eq(Mux(both, half, n_nonzero) << 2),
                row_last.eq(chunk_last & ~both),
                upper.eq(words[len(values) :]), upper_last.eq(chunk_last), n_upper.eq(Mux(both, n_nonzero - half, 0)),
            ]  # fmt: skip

    @staticmethod
    def _compact(values: list[Value]) -> list[Value]:
        """The nonzero ones of ``values`` first, zeros behind them."""
        nonzero = [value.any() for value in values]
        ranks = [popcount(Cat(nonzero[:index])) if index else 0 for index in range(len(values))]
        return [
            reduce(or_, [Mux(ranks[index] == slot, values[index], 0) for index in range(slot, len(values))])
            for slot in range(len(values))
        ]
