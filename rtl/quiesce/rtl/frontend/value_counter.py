"""How many values a row record has."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal, Value, ValueLike
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from quiesce.rtl.lib.bits import bits_for_index, popcount
from quiesce.spec.checksums import CHECK_BYTES
from quiesce.spec.config import CoreConfig

__all__ = ["ValueCounter", "value_beats_width"]


def value_beats_width(config: CoreConfig) -> int:
    """Bits of the number of value beats of a row record: its mask fits the ring, hence at most that many values."""
    most_bytes = 2 if config.state_depth else 1
    return bits_for_index(config.act_depth * config.data_width * most_bytes // config.beat_bytes) + 1


class ValueCounter(wiring.Component):
    """Count the values of each row record from its mask beats. Latency three cycles, one beat per cycle.

    Members
    -------
    mask_beats : mask beats per row record
    narrow : values take 4 bits, else 8
    wide : only with state between items: they take 16
    write, beat : a mask beat
    o_valid, o_beats : pulse with the number of value beats of a record; takes no stall
    o_check_alone : only with ``record_check``: the last of them holds no value
    """

    def __init__(self, config: CoreConfig):
        self._core = config
        super().__init__(
            {
                "mask_beats": In(16),
                "narrow": In(1),
                **({"wide": In(1)} if config.state_depth else {}),
                "write": In(1),
                "beat": In(config.data_width),
                "o_valid": Out(1),
                "o_beats": Out(value_beats_width(config)),
                **({"o_check_alone": Out(1)} if config.record_check else {}),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        beat_bits = exact_log2(self._core.beat_bytes)
        index = Signal(16)
        last = Signal(2)
        valid = Signal(2)
        row_end = index + 1 == self.mask_beats
        m.d.sync += valid.eq(Cat(self.write, valid[0]))

        parts = [Signal(4, reset_less=True, name=f"part_{lane}") for lane in range(self._core.beat_bytes)]
        with m.If(self.write):
            m.d.sync += [part.eq(popcount(self.beat.word_select(lane, 8))) for lane, part in enumerate(parts)]
            m.d.sync += [index.eq(Mux(row_end, 0, index + 1)), last[0].eq(row_end)]

        in_beat = Signal(range(self._core.data_width + 1), reset_less=True)
        with m.If(valid[0]):
            m.d.sync += [in_beat.eq(sum(parts)), last[1].eq(last[0])]

        count = Signal(value_beats_width(self._core) + beat_bits)
        total = Signal.like(count)
        m.d.comb += total.eq(count + in_beat)
        m.d.sync += self.o_valid.eq(valid[1] & last[1])
        with m.If(valid[1]):
            m.d.sync += count.eq(Mux(last[1], 0, total))
            with m.If(last[1]):
                beats = self._beats(total)
                if self._core.record_check:
                    checked = Mux(
                        total != 0, self._beats(total + self._by_width(2 * CHECK_BYTES, CHECK_BYTES, CHECK_BYTES // 2)), 0
                    )
                    m.d.sync += [self.o_beats.eq(checked), self.o_check_alone.eq(checked != beats)]
                else:
                    m.d.sync += self.o_beats.eq(beats)
        return m

    def _beats(self, n_values: Value) -> Value:
        """Beats that so many values fill."""
        per_beat = self._core.beat_bytes
        return self._by_width(*((n_values + n - 1) >> exact_log2(n) for n in (2 * per_beat, per_beat, per_beat // 2)))

    def _by_width(self, narrow: ValueLike, byte: ValueLike, wide: ValueLike) -> Value:
        """That of the values' width."""
        return Mux(self.narrow, narrow, Mux(self.wide, wide, byte) if self._core.state_depth else byte)
