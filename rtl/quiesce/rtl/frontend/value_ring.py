"""Ring of activation values of 8 or 4 bits."""

from typing import Any

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.frontend.interfaces import beat_pointer_width
from quiesce.rtl.lib.bits import bits_for_index
from quiesce.rtl.lib.checked_ram import join_status, status_ports
from quiesce.rtl.lib.ring_buffer import RingBuffer
from quiesce.spec.config import CoreConfig

__all__ = ["ValueRing"]


class ValueRing(wiring.Component):
    """A RingBuffer whose words are addressed in half bytes and sign-extended.

    Members
    -------
    write, beat, written : see RingBuffer
    en, addr, narrow : read a value: of 4 bits if ``narrow``, else of 8 at an even address
    value : the value, from the next cycle until the next read
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "write": In(1),
                "beat": In(config.data_width),
                "written": Out(beat_pointer_width(config)),
                "en": In(1),
                "addr": In(bits_for_index(config.act_depth * config.beat_bytes) + 1),
                "narrow": In(1),
                "value": Out(signed(8)),
                **status_ports(config.ram_check),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        core = self._config
        m.submodules.ring = ring = RingBuffer(core.act_depth, core.data_width, 8, check=core.ram_check)
        join_status(m, self, [ring])
        odd = Signal(reset_less=True)
        narrow = Signal(reset_less=True)
        with m.If(self.en):
            m.d.sync += [odd.eq(self.addr[0]), narrow.eq(self.narrow)]
        m.d.comb += [
            ring.write.eq(self.write),
            ring.beat.eq(self.beat),
            self.written.eq(ring.written),
            ring.en.eq(self.en),
            ring.addr.eq(self.addr >> 1),
            self.value.eq(Mux(narrow, ring.word.word_select(odd, 4).as_signed(), ring.word.as_signed())),
        ]
        return m
