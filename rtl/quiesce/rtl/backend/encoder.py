"""Encoder: chunks of activations to row records of masks and packed values."""

from functools import reduce
from operator import or_

from amaranth import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from quiesce.rtl.backend.postprocess import chunk_layout
from quiesce.rtl.bus.burst_writer import BurstWriter, packed_layout
from quiesce.rtl.frontend.record_check import CHECK_BITS, RecordSealer
from quiesce.rtl.lib.bits import popcount
from quiesce.rtl.lib.checked_ram import join_status, status_ports
from quiesce.rtl.lib.layouts import Burst, pass_layout
from quiesce.spec.config import CoreConfig

__all__ = ["Encoder", "MaskPacker", "ValuePacker"]


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
        super().__init__(
            {
                "mask_beats": In(16),
                "i_chunks": In(stream.Signature(chunk_layout(config))),
                "o_beats": Out(stream.Signature(packed_layout(config))),
            }
        )

    def elaborate(self, platform):
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
        nonzero = Cat(value.any() for value in _values(chunk))
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


class ValuePacker(wiring.Component):
    """Pack the nonzero values, 8 or 4 bits each, into beats, each row from a fresh beat on, the last beat filled up with zeros.

    A full beat waits for the next value or the end of its row, so that the last beat of a row is known as such. In a core with
    ``record_check`` it has room for a check. One chunk per cycle; one cycle more for a row whose last chunk has values for two
    beats. Latency two cycles.

    Members
    -------
    narrow : values take 4 bits; stable during a pass
    i_chunks : ``count`` is not used
    o_beats : one ``empty`` item for a row without nonzero values
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
        # Everything is counted in half bytes.
        n_chunk, n_full = 2 * self._core.post_units, 2 * self._core.beat_bytes
        chunk, packed = self.i_chunks.payload, self.o_beats.payload

        # First stage: the nonzero values of a chunk, moved together.
        values = Signal(4 * n_chunk)
        n_values = Signal(range(n_chunk + 1))
        row_last = Signal(reset_less=True)
        valid = Signal()
        done = Signal()
        nonzero = Cat(value.any() for value in _values(chunk))
        rest = Signal()
        compact = Signal(4 * n_chunk)
        n_nonzero = popcount(nonzero)
        halves = Cat(compact.word_select(index, 8)[:4] for index in range(self._core.post_units))
        m.d.comb += [
            self.i_chunks.ready.eq(~valid | done),
            compact.eq(self._compact(_values(chunk))),
        ]
        with m.If(self.i_chunks.ready):
            m.d.sync += valid.eq(self.i_chunks.valid & (nonzero.any() | chunk.row_last))
        with m.If(self.i_chunks.ready & self.i_chunks.valid):
            m.d.sync += [
                values.eq(Mux(self.narrow, halves, compact)),
                n_values.eq(Mux(self.narrow, n_nonzero, n_nonzero << 1)),
                row_last.eq(chunk.row_last),
            ]
        with m.Elif(rest):
            # The rest of the row, if any, goes out in the next cycle, as if a chunk of zeros had come.
            m.d.sync += [values.eq(0), n_values.eq(0)]

        # Second stage: behind the values of the beat. What does not fit starts the next beat.
        beat = Signal(4 * n_full)
        n_beat = Signal(range(n_full + 1))
        merged = Signal(4 * (n_full + n_chunk))
        total = Signal(range(n_full + n_chunk + 1))
        overflow = Signal()
        free = Signal()
        begun = Signal()  # the last beat of the row has beats before it
        room = Mux(row_last & (total != 0), n_full - CHECK_BITS // 4, n_full) if self._core.record_check else n_full
        m.d.comb += [
            merged.eq(beat | (values << Cat(Const(0, 2), n_beat))),
            total.eq(n_beat + n_values),
            overflow.eq(total > room),
            free.eq(self.o_beats.ready | ~self.o_beats.valid),
            done.eq(free & ~(overflow & row_last)),
            rest.eq(valid & free & ~done),
        ]
        with m.If(free):
            m.d.sync += self.o_beats.valid.eq(valid & (overflow | row_last))
        with m.If(free & valid):
            with m.If(overflow | row_last):
                m.d.sync += [packed.beat.eq(merged), packed.last.eq(~overflow), packed.empty.eq((total == 0) & ~begun)]
            if self._core.record_check:
                m.d.sync += begun.eq(overflow & row_last)
            with m.If(overflow):
                m.d.sync += [beat.eq(merged[4 * n_full :]), n_beat.eq(Mux(total > n_full, total - n_full, 0))]
            with m.Elif(row_last):
                m.d.sync += [beat.eq(0), n_beat.eq(0)]
            with m.Else():
                m.d.sync += [beat.eq(merged), n_beat.eq(total)]
        return m

    @staticmethod
    def _compact(values):
        """The nonzero ones of ``values`` from the lowest byte on, zeros behind them."""
        nonzero = [value.any() for value in values]
        ranks = [popcount(Cat(nonzero[:index])) if index else 0 for index in range(len(values))]
        return Cat(
            reduce(or_, [Mux(ranks[index] == slot, values[index], 0) for index in range(slot, len(values))])
            for slot in range(len(values))
        )


class Encoder(wiring.Component):
    """Write the row records of a pass (see docs/architecture.md, "Activations in memory").

    Row ``r`` of the pass is the record at ``out_offset + r * out_row_stride``: ``out_mask_beats`` beats of mask bits and, from
    ``out_value_offset`` on, as many beats as the nonzero values fill. One chunk per cycle is sustained, rows cost up to one cycle
    more each. Back-pressure from the write DMA reaches ``i_chunks`` when one of the two FIFOs of 32 beats is full.

    Members
    -------
    start : pulse; the pass before must be done
    config : stable during a pass; offsets and strides are multiples of a beat
    i_chunks : from PostProcess
    request_0, beats_0, request_1, beats_1 : two clients of the write DMA, for masks and values; a request follows its data
    done : all rows of the pass are handed on; low from ``start`` on, high after reset
    rows_handed : rows of the pass of which the write DMA has taken all bursts
    beats_written : a beat is handed on (the write DMA takes one per cycle, of either client)
    """

    N_CLIENTS = 2

    def __init__(self, config: CoreConfig):
        self._core = config
        super().__init__(
            {
                "start": In(1),
                "config": In(
                    pass_layout(
                        "n_out_rows", "out_region", "out_offset", "out_row_stride", "out_value_offset", "out_mask_beats",
                        "out_narrow",
                    )
                ),
                "i_chunks": In(stream.Signature(chunk_layout(config))),
                "request_0": Out(stream.Signature(Burst)),
                "beats_0": Out(stream.Signature(unsigned(config.data_width))),
                "request_1": Out(stream.Signature(Burst)),
                "beats_1": Out(stream.Signature(unsigned(config.data_width))),
                "done": Out(1),
                "rows_handed": Out(16),
                "beats_written": Out(1),
                **status_ports(config.ram_check),
            }
        )  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.masks = masks = MaskPacker(self._core)
        m.submodules.values = values = ValuePacker(self._core)
        m.submodules.mask_writer = mask_writer = BurstWriter(self._core)
        m.submodules.value_writer = value_writer = BurstWriter(self._core)
        join_status(m, self, [mask_writer, value_writer])
        for part, packer, writer in (("mask", masks, mask_writer), ("value", values, value_writer)):
            if self._core.record_check:
                m.submodules[f"{part}_sealer"] = sealer = RecordSealer(self._core)
                connect(m, packer.o_beats, sealer.i_beats)
                connect(m, sealer.o_beats, writer.i_beats)
            else:
                connect(m, packer.o_beats, writer.i_beats)
        connect(m, mask_writer.o_requests, flipped(self.request_0))
        connect(m, mask_writer.o_beats, flipped(self.beats_0))
        connect(m, value_writer.o_requests, flipped(self.request_1))
        connect(m, value_writer.o_beats, flipped(self.beats_1))

        # Both packers take every chunk, in the same cycle.
        m.d.comb += self.i_chunks.ready.eq(masks.i_chunks.ready & values.i_chunks.ready)
        for packer in (masks, values):
            m.d.comb += [
                packer.i_chunks.payload.eq(self.i_chunks.payload),
                packer.i_chunks.valid.eq(self.i_chunks.valid & self.i_chunks.ready),
            ]
        for writer in (mask_writer, value_writer):
            m.d.comb += [
                writer.start.eq(self.start),
                writer.config.region.eq(config.out_region),
                writer.config.stride.eq(config.out_row_stride),
                writer.config.n_rows.eq(config.n_out_rows),
            ]
        m.d.comb += [
            masks.mask_beats.eq(config.out_mask_beats),
            values.narrow.eq(config.out_narrow),
            mask_writer.config.offset.eq(config.out_offset),
            value_writer.config.offset.eq(config.out_offset + config.out_value_offset),
            self.done.eq(mask_writer.done & value_writer.done),
            self.rows_handed.eq(
                Mux(mask_writer.rows_handed < value_writer.rows_handed, mask_writer.rows_handed, value_writer.rows_handed)
            ),
            self.beats_written.eq((self.beats_0.valid & self.beats_0.ready) | (self.beats_1.valid & self.beats_1.ready)),
        ]
        return m


def _values(chunk) -> list:
    """The values of a chunk as bit vectors."""
    return [value.as_unsigned() for value in chunk.values]
