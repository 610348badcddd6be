"""Mask bits of chunks to beats."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from quiesce.rtl.backend.encoder_ports import bits_of, packer_members
from quiesce.spec.config import CoreConfig

__all__ = ["MaskPacker"]


class MaskPacker(wiring.Component):
    """Pack ``count`` mask bits per chunk into beats, LSB first, ``mask_beats`` beats per row.

    One chunk per cycle; one cycle more at the end of a row for each beat of nothing but padding. Latency one cycle.

    Members
    -------
    mask_beats : beats per row, at least those that the bits of a row fill
    i_chunks : ``count`` is a power of two, the same in all chunks of a row, so that no chunk lies across two beats
    o_beats : never ``empty``
    """

    def __init__(self, config: CoreConfig):
        self._core = config
        super().__init__(packer_members(config, mask_beats=In(16)))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        width = self._core.data_width
        chunk, packed = self.i_chunks.payload, self.o_beats.payload
        beat = Signal(width)
        filled = Signal(width)
        position = Signal(range(width))
        next_position = Signal(range(width + 1))
        index = Signal(16)
        padding = Signal()
        free = Signal()
        emit = Signal()
        row_end = Signal()
        nonzero = Cat(value.any() for value in bits_of(chunk))
        m.d.comb += [
            free.eq(self.o_beats.ready | ~self.o_beats.valid),
            self.i_chunks.ready.eq(free & ~padding),
            filled.eq(beat | Mux(padding, 0, nonzero << position)),
            next_position.eq(position + chunk.count),
            emit.eq(padding | (self.i_chunks.valid & (chunk.row_last | next_position[-1]))),
            row_end.eq(index + 1 == self.mask_beats),
        ]
        with m.If(free):
            m.d.sync += self.o_beats.valid.eq(emit)
            with m.If(emit):
                m.d.sync += [
                    packed.beat.eq(filled),
                    packed.last.eq(row_end),
                    beat.eq(0),
                    position.eq(0),
                    index.eq(Mux(row_end, 0, index + 1)),
                    padding.eq((padding | chunk.row_last) & ~row_end),
                ]
            with m.Elif(self.i_chunks.valid):
                m.d.sync += [beat.eq(filled), position.eq(next_position)]
        return m
