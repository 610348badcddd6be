"""A FIFO that is too large for flip-flops."""

from typing import Any

from amaranth import Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.lib.checked_ram import join_status, make_ram, status_ports

__all__ = ["RamFifo"]


class RamFifo(wiring.Component):
    """A FIFO of ``depth`` words: the one that is next to leave waits at the output port of a RAM that holds the others.

    Latency: 2 cycles. Throughput: one word per cycle. Back-pressure: ``i_words.ready`` depends on no input. Reset: empty.

    Parameters
    ----------
    width : int
        Bits of a word.
    depth : int
        At least 3.
    check : int
        Protection of the RAM, see CoreConfig.ram_check.

    Members
    -------
    i_words, o_words : streams of words
    empty : no word is inside
    """

    def __init__(self, width: int, depth: int, *, check: int = 0):
        self._width, self._rows, self._check = width, depth - 1, check
        if depth < 3:
            raise ValueError(f"a FIFO of {depth} words needs no RAM")
        words = stream.Signature(unsigned(width))
        super().__init__({"i_words": In(words), "o_words": Out(words), "empty": Out(1), **status_ports(check)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.ram = ram = make_ram(self._check, unsigned(self._width), self._rows)
        join_status(m, self, [ram])
        stored = Signal(range(self._rows + 1))  # words in the RAM, that at its output not among them
        first = Signal(range(self._rows))  # row of the next to leave the RAM
        last = Signal(range(self._rows))  # the next free row
        put = Signal()
        fetch = Signal()
        m.d.comb += [
            self.i_words.ready.eq(stored != self._rows),
            put.eq(self.i_words.valid & self.i_words.ready),
            fetch.eq((stored != 0) & (self.o_words.ready | ~self.o_words.valid)),
            ram.write_en.eq(put),
            ram.write_addr.eq(last),
            ram.write_data.eq(self.i_words.payload),
            ram.read_en.eq(fetch),
            ram.read_addr.eq(first),
            self.o_words.payload.eq(ram.read_data),
            self.empty.eq((stored == 0) & ~self.o_words.valid),
        ]
        with m.If(put):
            m.d.sync += last.eq(self._after(last))
        with m.If(fetch):
            m.d.sync += first.eq(self._after(first))
        with m.If(put & ~fetch):
            m.d.sync += stored.eq(stored + 1)
        with m.If(fetch & ~put):
            m.d.sync += stored.eq(stored - 1)
        with m.If(self.o_words.ready | ~self.o_words.valid):
            m.d.sync += self.o_words.valid.eq(stored != 0)
        return m

    def _after(self, row: Signal) -> Value:
        return Mux(row == self._rows - 1, 0, row + 1)
