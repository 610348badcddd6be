"""All values of chunks to beats."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from amaranth.utils import exact_log2

from quiesce.rtl.backend.encoder_ports import bits_of, packer_members
from quiesce.spec.config import CoreConfig

__all__ = ["ChunkPacker"]


class ChunkPacker(wiring.Component):
    """Pack the ``count`` values of each chunk, 8 or 4 bits each, into beats, each row from a fresh beat on.

    One chunk per cycle. Latency one cycle.

    Members
    -------
    narrow : values take 4 bits; stable during a pass
    i_chunks : ``count`` is a power of two, the same in all chunks of a row, so that no chunk lies across two beats
    o_beats : never ``empty``
    """

    def __init__(self, config: CoreConfig):
        self._core = config
        super().__init__(packer_members(config, narrow=In(1)))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        n_halves = 2 * self._core.beat_bytes
        chunk, packed = self.i_chunks.payload, self.o_beats.payload
        beat = Signal(self._core.data_width)
        filled = Signal(self._core.data_width)
        position = Signal(exact_log2(n_halves))  # in half bytes
        next_position = Signal(exact_log2(n_halves) + 1)
        free = Signal()
        emit = Signal()
        values = Cat(bits_of(chunk))
        halves = Cat(value[:4] for value in bits_of(chunk))
        m.d.comb += [
            free.eq(self.o_beats.ready | ~self.o_beats.valid),
            self.i_chunks.ready.eq(free),
            filled.eq(beat | (Mux(self.narrow, halves, values) << Cat(Const(0, 2), position))),
            next_position.eq(position + (chunk.count << ~self.narrow)),
            emit.eq(chunk.row_last | next_position[-1]),
        ]
        with m.If(free):
            m.d.sync += self.o_beats.valid.eq(self.i_chunks.valid & emit)
        with m.If(free & self.i_chunks.valid):
            m.d.sync += [beat.eq(Mux(emit, 0, filled)), position.eq(Mux(emit, 0, next_position))]
            with m.If(emit):
                m.d.sync += [packed.beat.eq(filled), packed.last.eq(chunk.row_last)]
        return m
