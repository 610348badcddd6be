"""Activation reader: row records from memory into the ring buffers in front of the scanner."""

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from quiesce.rtl.bus.burst_cutter import BurstCutter
from quiesce.rtl.frontend.buffers import buffer_signature
from quiesce.rtl.frontend.record_check import RecordChecker
from quiesce.rtl.frontend.record_walk import WALK_FIELDS, RecordWalk
from quiesce.rtl.frontend.value_ring import ValueRing
from quiesce.rtl.lib.bits import popcount
from quiesce.rtl.lib.checked_ram import join_status, status_ports
from quiesce.rtl.lib.layouts import Burst, connect_fields, pass_layout
from quiesce.rtl.lib.ring_buffer import RingBuffer
from quiesce.spec.checksums import CHECK_BYTES
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import BURST_BEATS

__all__ = ["ActReader", "ValueCounter"]


def _beats_width(config: CoreConfig) -> int:
    """Bits of the number of value beats of a row record: its mask fits the ring, hence at most that many values."""
    return exact_log2(config.act_depth * config.data_width // config.beat_bytes) + 1


class ValueCounter(wiring.Component):
    """Count the values of each row record from its mask beats. Latency three cycles, one beat per cycle.

    Members
    -------
    mask_beats : mask beats per row record
    narrow : values take 4 bits, else 8
    write, beat : a mask beat
    o_valid, o_beats : pulse with the number of value beats of a record; takes no stall
    o_check_alone : only with ``record_check``: the last of them holds no value
    """

    def __init__(self, config: CoreConfig):
        self._core = config
        super().__init__(
            {
                "mask_beats": In(16),
                "narrow": In(1),
                "write": In(1),
                "beat": In(config.data_width),
                "o_valid": Out(1),
                "o_beats": Out(_beats_width(config)),
                **({"o_check_alone": Out(1)} if config.record_check else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        beat_bits = exact_log2(self._core.beat_bytes)
        index = Signal(16)
        last = Signal(2)
        valid = Signal(2)
        row_end = index + 1 == self.mask_beats
        m.d.sync += valid.eq(Cat(self.write, valid[0]))

        parts = [Signal(4, reset_less=True, name=f"part_{lane}") for lane in range(self._core.beat_bytes)]
        with m.If(self.write):
            m.d.sync += [part.eq(popcount(self.beat.word_select(lane, 8))) for lane, part in enumerate(parts)]
            m.d.sync += [index.eq(Mux(row_end, 0, index + 1)), last[0].eq(row_end)]

        in_beat = Signal(range(self._core.data_width + 1), reset_less=True)
        with m.If(valid[0]):
            m.d.sync += [in_beat.eq(sum(parts)), last[1].eq(last[0])]

        count = Signal(_beats_width(self._core) + beat_bits)
        total = Signal.like(count)
        m.d.comb += total.eq(count + in_beat)
        m.d.sync += self.o_valid.eq(valid[1] & last[1])
        with m.If(valid[1]):
            m.d.sync += count.eq(Mux(last[1], 0, total))
            with m.If(last[1]):
                beats = self._beats(total)
                if self._core.record_check:
                    checked = Mux(total != 0, self._beats(total + Mux(self.narrow, 2 * CHECK_BYTES, CHECK_BYTES)), 0)
                    m.d.sync += [self.o_beats.eq(checked), self.o_check_alone.eq(checked != beats)]
                else:
                    m.d.sync += self.o_beats.eq(beats)
        return m

    def _beats(self, n_values):
        """Beats that so many values fill."""
        beat_bits = exact_log2(self._core.beat_bytes)
        wide = (n_values + self._core.beat_bytes - 1) >> beat_bits
        narrow = (n_values + 2 * self._core.beat_bytes - 1) >> (beat_bits + 1)
        return Mux(self.narrow, narrow, wide)


class ActReader(wiring.Component):
    """Read the row records of a pass (docs/architecture.md, "Activations in memory") into two rings, rows outside, planes inside.

    The mask beats of a record tell how many value beats follow. Masks of up to ``masks_ahead`` records are requested before their
    values, so that this costs the latency of memory once per pass and not once per record. What is requested has room in a ring.
    Values of the oldest record go first if there is room for the burst, else masks. This cannot deadlock as long as the mask ring
    holds the masks of a whole record (``in_mask_beats <= act_depth``) and the consumer frees beats up to the one that it needs
    next: the masks in front of the values that wait are complete. A record may have any number of value beats.

    Each record starts with a fresh beat in both rings. One burst is requested per cycle, one beat taken per cycle; ``data`` waits
    only for data that were not requested. A pass may begin while the consumer still works on the one before: its records follow.

    Members
    -------
    start : pulse, only while ``done``; begin a pass
    done : all of the last pass has arrived
    config : stable from ``start`` until ``done``; offsets and strides are multiples of a beat
    rows_written : rows in memory of the last pass that writes before this one; ``all_written`` : all of them
    request, data : client of the read DMA, data in the order of the requests
    buffers : see buffer_signature
    beats_read : a beat was taken in this cycle
    damaged : only with ``record_check``: a record's check did not fit; sticky until reset. Beats of checks alone go into no ring.
    """

    OUTSTANDING = 16  # bursts

    def __init__(self, config: CoreConfig):
        self._core = config
        own_fields = ["in_region", "in_value_offset", "in_mask_beats", *["in_check_alone"] * config.record_check]
        super().__init__(
            {
                "start": In(1),
                "done": Out(1),
                "config": In(pass_layout(*WALK_FIELDS, *own_fields, "in_narrow")),
                "rows_written": In(16),
                "all_written": In(1),
                "request": Out(stream.Signature(Burst)),
                "data": In(stream.Signature(unsigned(config.data_width))),
                "buffers": In(buffer_signature(config)),
                "beats_read": Out(1),
                **({"damaged": Out(1)} if config.record_check else {}),
                **status_ports(config.ram_check),
            }
        )

    def elaborate(self, platform):
        m = Module()
        core, config = self._core, self.config
        m.submodules.masks = masks = RingBuffer(core.act_depth, core.data_width, core.detector_width, check=core.ram_check)
        m.submodules.values = values = ValueRing(core)
        join_status(m, self, [masks, values])
        m.submodules.walk = walk = RecordWalk()
        m.submodules.mask_cutter = mask_cutter = BurstCutter(core, 16)
        m.submodules.value_cutter = value_cutter = BurstCutter(core, _beats_width(core))
        m.submodules.counter = counter = ValueCounter(core)
        # Records whose masks are requested, values not yet: where the values are and, once the masks are here, how many beats.
        m.submodules.places = places = SyncFIFO(width=32, depth=core.masks_ahead)
        m.submodules.sizes = sizes = SyncFIFO(width=_beats_width(core) + core.record_check, depth=core.masks_ahead)

        connect_fields(m.d.comb, walk.config, config)
        load_mask = Signal()
        load_value = Signal()
        m.d.comb += [
            walk.start.eq(self.start),
            walk.next.eq(load_mask),
            walk.rows_written.eq(self.rows_written),
            walk.all_written.eq(self.all_written),
            load_mask.eq(walk.active & mask_cutter.idle & places.w_rdy),
            mask_cutter.load.eq(load_mask),
            mask_cutter.offset.eq(walk.offset),
            mask_cutter.beats.eq(config.in_mask_beats),
            places.w_en.eq(load_mask),
            places.w_data.eq(walk.offset + config.in_value_offset),
            counter.mask_beats.eq(config.in_mask_beats),
            counter.narrow.eq(config.in_narrow),
            sizes.w_en.eq(counter.o_valid),
            sizes.w_data.eq(Cat(counter.o_beats, counter.o_check_alone) if core.record_check else counter.o_beats),
            load_value.eq(sizes.r_rdy & value_cutter.idle),
            sizes.r_en.eq(load_value),
            places.r_en.eq(load_value),
            value_cutter.load.eq(load_value),
            value_cutter.offset.eq(places.r_data),
            value_cutter.beats.eq(sizes.r_data),
        ]
        m.d.comb += [
            masks.en.eq(self.buffers.mask_en),
            masks.addr.eq(self.buffers.mask_addr),
            self.buffers.mask_data.eq(masks.word),
            self.buffers.mask_written.eq(masks.written),
            values.en.eq(self.buffers.value_en),
            values.addr.eq(self.buffers.value_addr),
            values.narrow.eq(self.buffers.value_narrow),
            self.buffers.value_data.eq(values.value),
            self.buffers.value_written.eq(values.written),
        ]
        ends = Signal(2), Signal(2)  # of the bursts that are cut from masks and from values: last, and then a check alone
        if core.record_check:
            value_alone = Signal()
            with m.If(load_value):
                m.d.sync += value_alone.eq(sizes.r_data[-1])
            m.d.comb += [
                ends[0].eq(Cat(mask_cutter.last, config.in_check_alone)),
                ends[1].eq(Cat(value_cutter.last, value_alone)),
            ]
        under_way = self._transfer(m, mask_cutter.o_bursts, value_cutter.o_bursts, ends, masks, values, counter)
        m.d.comb += self.done.eq(walk.done & ~places.r_rdy & value_cutter.idle & ~under_way)
        return m

    def _transfer(self, m: Module, mask_bursts, value_bursts, ends, masks: RingBuffer, values: ValueRing, counter: ValueCounter):
        """Issue the bursts that have room, and write what comes back into its ring; returns whether a burst is under way."""
        checked = self._core.record_check
        tag_layout = data.StructLayout({"is_value": 1, "beats": 5, **({"last": 1, "check_alone": 1} if checked else {})})
        m.submodules.tags = tags = SyncFIFO(width=tag_layout.size, depth=self.OUTSTANDING)
        tag, new_tag = data.View(tag_layout, tags.r_data), data.View(tag_layout, tags.w_data)
        mask_requested = Signal.like(self.buffers.mask_freed)
        value_requested = Signal.like(self.buffers.value_freed)

        def fits(bursts, requested, freed):
            used = (requested - freed)[: len(requested)]
            return bursts.valid & (used + bursts.payload.beats <= self._core.act_depth)

        may_take = Signal()
        take_mask = Signal()
        take_value = Signal()
        burst = Mux(take_value, value_bursts.payload.as_value(), mask_bursts.payload.as_value())
        burst = data.View(value_bursts.payload.shape(), burst)
        m.d.comb += [
            may_take.eq((self.request.ready | ~self.request.valid) & tags.w_rdy),
            take_value.eq(may_take & fits(value_bursts, value_requested, self.buffers.value_freed)),
            take_mask.eq(may_take & ~take_value & fits(mask_bursts, mask_requested, self.buffers.mask_freed)),
            value_bursts.ready.eq(take_value),
            mask_bursts.ready.eq(take_mask),
            tags.w_en.eq(take_mask | take_value),
            new_tag.is_value.eq(take_value),
            new_tag.beats.eq(burst.beats),
        ]
        with m.If(self.request.ready):
            m.d.sync += self.request.valid.eq(0)
        with m.If(tags.w_en):
            m.d.sync += [
                self.request.valid.eq(1),
                self.request.payload.region.eq(self.config.in_region),
                self.request.payload.offset.eq(burst.offset),
                self.request.payload.beats.eq(burst.beats),
            ]

        index = Signal(range(BURST_BEATS))
        dropped = Signal()
        beat = self.data.payload
        if checked:
            m.submodules.checker = checker = RecordChecker(self._core)
            m.d.comb += [
                Cat(new_tag.last, new_tag.check_alone).eq(Mux(take_value, ends[1], ends[0])),
                checker.en.eq(self.beats_read),
                checker.beat.eq(beat),
                checker.is_value.eq(tag.is_value),
                checker.last.eq(tag.last & tags.r_en),
                dropped.eq(checker.last & tag.check_alone),
                self.damaged.eq(checker.damaged),
            ]
            beat = checker.data
        for is_value, (ring, requested, take) in enumerate(
            ((masks, mask_requested, take_mask), (values, value_requested, take_value))
        ):
            own = tag.is_value == is_value
            m.d.comb += [ring.beat.eq(beat), ring.write.eq(self.beats_read & own & ~dropped)]
            with m.If(take | (dropped & own)):
                m.d.sync += requested.eq(requested + Mux(take, burst.beats, 0) - (dropped & own))
        m.d.comb += [
            self.data.ready.eq(tags.r_rdy),
            self.beats_read.eq(self.data.valid & self.data.ready),
            tags.r_en.eq(self.beats_read & (index + 1 == tag.beats)),
            counter.write.eq(self.beats_read & ~tag.is_value),
            counter.beat.eq(beat),
        ]
        with m.If(self.beats_read):
            m.d.sync += index.eq(Mux(tags.r_en, 0, index + 1))
        return self.request.valid | tags.r_rdy
