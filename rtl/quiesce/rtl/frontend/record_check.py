"""Checks of row records: made on their way to memory, compared on the way back."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.bus.interfaces import packed_layout
from quiesce.rtl.program.crc import next_crc
from quiesce.spec.checksums import CHECK_BYTES, record_check
from quiesce.spec.config import CoreConfig

__all__ = ["CHECK_BITS", "RecordChecker", "RecordSealer"]

CHECK_BITS = 8 * CHECK_BYTES


def _check(data: bytes, before: int) -> int:
    return int.from_bytes(record_check(data, before.to_bytes(CHECK_BYTES, "little")), "little")


class RecordSealer(wiring.Component):
    """Puts the check (checksums.record_check) of masks or of values into the last beat of each row.

    Latency: none. Throughput: 1 beat per cycle. Back-pressure: passed on. Reset: a row begins.

    Members
    -------
    i_beats : the last CHECK_BITS of a last beat are zeros
    o_beats : the same with the checks; one that is ``empty`` has none
    """

    def __init__(self, config: CoreConfig):
        beats = stream.Signature(packed_layout(config))
        super().__init__({"i_beats": In(beats), "o_beats": Out(beats)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        item = self.i_beats.payload
        crc = Signal(CHECK_BITS)
        following = Signal(CHECK_BITS)
        m.d.comb += [
            following.eq(next_crc(crc, item.beat, _check)),
            self.o_beats.valid.eq(self.i_beats.valid),
            self.i_beats.ready.eq(self.o_beats.ready),
            self.o_beats.payload.eq(item),
        ]
        with m.If(item.last):
            m.d.comb += self.o_beats.payload.beat.eq(Cat(item.beat[:-CHECK_BITS], following))
        with m.If(self.i_beats.valid & self.i_beats.ready):
            m.d.sync += crc.eq(Mux(item.last, 0, following))
        return m


class RecordChecker(wiring.Component):
    """Compares the checks of masks and of values, whose beats come in any mixture.

    Members
    -------
    en, beat : a beat arrives
    is_value, last : whose it is, and that it ends its record's
    data : the beat without the check
    damaged : a check did not fit; sticky until reset
    """

    def __init__(self, config: CoreConfig):
        width = config.data_width
        super().__init__(
            {
                "en": In(1), "beat": In(width), "is_value": In(1), "last": In(1), "data": Out(width), "damaged": Out(1),
            }
        )  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        crcs = [Signal(CHECK_BITS, name=name) for name in ("mask_crc", "value_crc")]
        following = Signal(CHECK_BITS)
        m.d.comb += [
            self.data.eq(Mux(self.last, self.beat[:-CHECK_BITS], self.beat)),
            following.eq(next_crc(Mux(self.is_value, crcs[1], crcs[0]), self.data, _check)),
        ]
        with m.If(self.en):
            for is_value, crc in enumerate(crcs):
                with m.If(self.is_value == is_value):
                    m.d.sync += crc.eq(Mux(self.last, 0, following))
            with m.If(self.last & (following != self.beat[-CHECK_BITS:])):
                m.d.sync += self.damaged.eq(1)
        return m
