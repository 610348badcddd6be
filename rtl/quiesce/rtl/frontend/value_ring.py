"""Ring of activation values of 4, 8 or 16 bits."""

from typing import Any

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

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
    wide : only with state between items: of 16 at a multiple of four, within ``operand_width``
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
                **({"wide": In(1)} if config.state_depth else {}),
                "value": Out(signed(config.operand_width)),
                **status_ports(config.ram_check),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        core = self._config
        width = 16 if core.state_depth else 8
        halves = exact_log2(width // 4)
        m.submodules.ring = ring = RingBuffer(core.act_depth, core.data_width, width, check=core.ram_check)
        join_status(m, self, [ring])
        place = Signal(halves, reset_less=True)  # half byte within the word
        narrow = Signal(reset_less=True)
        with m.If(self.en):
            m.d.sync += [place.eq(self.addr[:halves]), narrow.eq(self.narrow)]
        byte = ring.word.word_select(place[1:], 8) if core.state_depth else ring.word
        value = Mux(narrow, ring.word.word_select(place, 4).as_signed(), byte.as_signed())
        if core.state_depth:
            wide = Signal(reset_less=True)
            with m.If(self.en):
                m.d.sync += wide.eq(self.wide)
            value = Mux(wide, ring.word[: core.operand_width].as_signed(), value)
        m.d.comb += [
            ring.write.eq(self.write),
            ring.beat.eq(self.beat),
            self.written.eq(ring.written),
            ring.en.eq(self.en),
            ring.addr.eq(self.addr >> halves),
            self.value.eq(value),
        ]
        return m
