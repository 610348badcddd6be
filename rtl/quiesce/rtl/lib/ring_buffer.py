"""Ring memory between a wide producer and a narrow consumer."""

from typing import Any

from amaranth import Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from quiesce.rtl.lib.checked_ram import join_status, make_ram, status_ports

__all__ = ["RingBuffer"]


class RingBuffer(wiring.Component):
    """A ring of beats, written whole and read in narrower words, in a RAM protected by ``check`` (CoreConfig.ram_check).

    Members
    -------
    write, beat : append a beat; the ring does not check for room
    written : beats appended, modulo twice the depth
    en, addr, word : read port, latency one cycle; ``word`` is held while ``en`` is low
    """

    def __init__(self, depth: int, beat_width: int, word_width: int, *, check: int = 0):
        self._depth, self._ratio, self._check = depth, beat_width // word_width, check
        super().__init__(
            {
                "write": In(1),
                "beat": In(beat_width),
                "written": Out(exact_log2(depth) + 1),
                "en": In(1),
                "addr": In(exact_log2(depth * self._ratio)),
                "word": Out(word_width),
                **status_ports(check),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.mem = mem = make_ram(self._check, unsigned(len(self.beat)), self._depth)
        join_status(m, self, [mem])
        select_bits = exact_log2(self._ratio)
        m.d.comb += [
            mem.write_addr.eq(self.written[:-1]),
            mem.write_data.eq(self.beat),
            mem.write_en.eq(self.write),
            mem.read_addr.eq(self.addr[select_bits:]),
            mem.read_en.eq(self.en),
        ]
        if select_bits:
            select = Signal(select_bits, reset_less=True)
            m.d.comb += self.word.eq(mem.read_data.word_select(select, len(self.word)))
            with m.If(self.en):
                m.d.sync += select.eq(self.addr[:select_bits])
        else:
            m.d.comb += self.word.eq(mem.read_data)
        with m.If(self.write):
            m.d.sync += self.written.eq(self.written + 1)
        return m
