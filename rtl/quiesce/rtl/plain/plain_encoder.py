"""Encoder of a plain core: chunks of activations to row records without masks."""

from amaranth import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from quiesce.rtl.backend.postprocess import chunk_layout
from quiesce.rtl.bus.burst_writer import BurstWriter, packed_layout
from quiesce.rtl.lib.checked_ram import join_status, status_ports
from quiesce.rtl.lib.layouts import Burst, pass_layout
from quiesce.spec.config import CoreConfig

__all__ = ["ChunkPacker", "PlainEncoder"]


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
        super().__init__(
            {
                "narrow": In(1),
                "i_chunks": In(stream.Signature(chunk_layout(config))),
                "o_beats": Out(stream.Signature(packed_layout(config))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        n_halves = 2 * self._core.beat_bytes
        chunk, packed = self.i_chunks.payload, self.o_beats.payload
        beat = Signal(self._core.data_width)
        filled = Signal(self._core.data_width)
        position = Signal(exact_log2(n_halves))  # in half bytes
        next_position = Signal(exact_log2(n_halves) + 1)
        free = Signal()
        emit = Signal()
        values = Cat(value.as_unsigned() for value in chunk.values)
        halves = Cat(value.as_unsigned()[:4] for value in chunk.values)
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


class PlainEncoder(wiring.Component):
    """Write the dense row records of a pass: row ``r`` at ``out_offset + r * out_row_stride``.

    One chunk per cycle. Back-pressure from the write DMA reaches ``i_chunks`` when a FIFO of 32 beats is full.

    Members
    -------
    start : pulse; the pass before must be done
    config : stable during a pass; offsets and strides are multiples of a beat
    i_chunks : from PostProcess
    request_0, beats_0 : client of the write DMA; a request follows its data
    done : all rows of the pass are handed on; low from ``start`` on, high after reset
    rows_handed : rows of the pass of which the write DMA has taken all bursts
    beats_written : a beat is handed on
    """

    N_CLIENTS = 1

    def __init__(self, config: CoreConfig):
        self._core = config
        super().__init__(
            {
                "start": In(1),
                "config": In(pass_layout("n_out_rows", "out_region", "out_offset", "out_row_stride", "out_narrow")),
                "i_chunks": In(stream.Signature(chunk_layout(config))),
                "request_0": Out(stream.Signature(Burst)),
                "beats_0": Out(stream.Signature(unsigned(config.data_width))),
                "done": Out(1),
                "rows_handed": Out(16),
                "beats_written": Out(1),
                **status_ports(config.ram_check),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.packer = packer = ChunkPacker(self._core)
        m.submodules.writer = writer = BurstWriter(self._core)
        join_status(m, self, [writer])
        connect(m, flipped(self.i_chunks), packer.i_chunks)
        connect(m, packer.o_beats, writer.i_beats)
        connect(m, writer.o_requests, flipped(self.request_0))
        connect(m, writer.o_beats, flipped(self.beats_0))
        m.d.comb += [
            packer.narrow.eq(config.out_narrow),
            writer.start.eq(self.start),
            writer.config.region.eq(config.out_region),
            writer.config.offset.eq(config.out_offset),
            writer.config.stride.eq(config.out_row_stride),
            writer.config.n_rows.eq(config.n_out_rows),
            self.done.eq(writer.done),
            self.rows_handed.eq(writer.rows_handed),
            self.beats_written.eq(self.beats_0.valid & self.beats_0.ready),
        ]
        return m
