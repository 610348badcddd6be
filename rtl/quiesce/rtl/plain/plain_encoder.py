"""Encoder of a plain core: chunks of activations to row records without masks."""

from typing import Any

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from quiesce.rtl.backend.encoder_ports import connect_writer, encoder_members
from quiesce.rtl.bus.burst_writer import BurstWriter
from quiesce.rtl.lib.checked_ram import join_status
from quiesce.rtl.plain.chunk_packer import ChunkPacker
from quiesce.spec.config import CoreConfig

__all__ = ["PlainEncoder"]


class PlainEncoder(wiring.Component):
    """Write the dense row records of a pass: row ``r`` at ``out_offset + r * out_row_stride``.

    One chunk per cycle. Back-pressure from the write DMA reaches ``i_chunks`` when a FIFO of 32 beats is full.

    For its members see `encoder_members`.
    """

    N_CLIENTS = 1

    def __init__(self, config: CoreConfig):
        self._core = config
        super().__init__(encoder_members(config, self.N_CLIENTS))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.packer = packer = ChunkPacker(self._core)
        m.submodules.writer = writer = BurstWriter(self._core)
        join_status(m, self, [writer])
        connect_writer(m, self, writer, 0, self.config.out_offset)
        connect(m, flipped(self.i_chunks), packer.i_chunks)
        connect(m, packer.o_beats, writer.i_beats)
        m.d.comb += [
            packer.narrow.eq(self.config.out_narrow),
            self.done.eq(writer.done),
            self.rows_handed.eq(writer.rows_handed),
            self.beats_written.eq(self.beats_0.valid & self.beats_0.ready),
        ]
        return m
