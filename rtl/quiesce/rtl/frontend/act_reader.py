"""Activation reader: row records from memory into the ring buffers in front of the scanner."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import Out

from quiesce.rtl.bus.burst_cutter import BurstCutter
from quiesce.rtl.frontend.reader_ports import connect_values, connect_walk, fits, reader_members, request_burst
from quiesce.rtl.frontend.record_check import RecordChecker
from quiesce.rtl.frontend.record_walk import RecordWalk
from quiesce.rtl.frontend.value_counter import ValueCounter, value_beats_width
from quiesce.rtl.frontend.value_ring import ValueRing
from quiesce.rtl.lib.checked_ram import join_status
from quiesce.rtl.lib.ring_buffer import RingBuffer
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import BURST_BEATS

__all__ = ["ActReader"]


class _Ring:
    """A ring, the bursts for it, beats ``requested`` so far (modulo twice its depth), and that one of the bursts is issued."""

    def __init__(self, memory: RingBuffer | ValueRing, bursts: stream.Interface, name: str):
        self.memory, self.bursts = memory, bursts
        self.requested = Signal.like(memory.written, name=f"{name}_requested")
        self.take = Signal(name=f"take_{name}")


class ActReader(wiring.Component):
    """Read the row records of a pass (docs/reference/records.md) into two rings, rows outside, planes inside.

    The mask beats of a record tell how many value beats follow. Masks of up to ``masks_ahead`` records are requested before their
    values, so that this costs the latency of memory once per pass and not once per record. What is requested has room in a ring.
    Values of the oldest record go first if there is room for the burst, else masks. This cannot deadlock as long as the mask ring
    holds the masks of a whole record (``in_mask_beats <= act_depth``) and the consumer frees beats up to the one that it needs
    next: the masks in front of the values that wait are complete. A record may have any number of value beats.

    Each record starts with a fresh beat in both rings. One burst is requested per cycle, one beat taken per cycle; ``data`` waits
    only for data that were not requested. A pass may begin while the consumer still works on the one before: its records follow.

    Members
    -------
    those of reader_members
    damaged : only with ``record_check``: a record's check did not fit; sticky until reset. Beats of checks alone go into no ring.
    """

    OUTSTANDING = 16  # bursts

    def __init__(self, config: CoreConfig):
        self._core = config
        fields = [
            "in_value_offset", "in_mask_beats", *["in_check_alone"] * config.record_check, "in_narrow",
            *["in_wide"] * bool(config.state_depth),
        ]  # fmt: skip
        damaged = {"damaged": Out(1)} if config.record_check else {}
        super().__init__(reader_members(config, *fields) | damaged)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        core, buffers = self._core, self.buffers
        m.submodules.masks = masks = RingBuffer(core.act_depth, core.data_width, core.detector_width, check=core.ram_check)
        m.submodules.values = values = ValueRing(core)
        join_status(m, self, [masks, values])
        m.submodules.walk = walk = RecordWalk()
        m.submodules.mask_cutter = mask_cutter = BurstCutter(core, 16)
        m.submodules.value_cutter = value_cutter = BurstCutter(core, value_beats_width(core))
        m.submodules.counter = counter = ValueCounter(core)
        connect_walk(m, self, walk)
        connect_values(m, buffers, values)
        m.d.comb += [
            masks.en.eq(buffers.mask_en),
            masks.addr.eq(buffers.mask_addr),
            buffers.mask_data.eq(masks.word),
            buffers.mask_written.eq(masks.written),
        ]
        waiting, ends = self._cut(m, walk, mask_cutter, value_cutter, counter)
        m.submodules.tags = tags = SyncFIFO(width=self._tag_layout.size, depth=self.OUTSTANDING)
        rings = _Ring(masks, mask_cutter.o_bursts, "mask"), _Ring(values, value_cutter.o_bursts, "value")
        beats = self._request(m, tags, rings, ends)
        self._receive(m, tags, rings, beats, counter)
        m.d.comb += self.done.eq(walk.done & ~waiting & value_cutter.idle & ~(self.request.valid | tags.r_rdy))
        return m

    @property
    def _tag_layout(self) -> data.StructLayout:
        """What is known of the beats of a burst before they come; ``last`` : they end their record's masks or values."""
        check = {"last": 1, "check_alone": 1} if self._core.record_check else {}
        return data.StructLayout({"is_value": 1, "beats": 5, **check})

    def _cut(
        self, m: Module, walk: RecordWalk, mask_cutter: BurstCutter, value_cutter: BurstCutter, counter: ValueCounter
    ) -> tuple[Value, tuple[Signal, Signal]]:
        """Cut the masks of each record into bursts, and its values once their number is known.

        Returns whether values of a record wait, and for masks and values: the burst is the last, and then a check alone is.
        """
        core, config = self._core, self.config
        # Records whose masks are requested, values not yet: where the values are and, once the masks are here, how many beats.
        m.submodules.places = places = SyncFIFO(width=32, depth=core.masks_ahead)
        m.submodules.sizes = sizes = SyncFIFO(width=value_beats_width(core) + core.record_check, depth=core.masks_ahead)
        load_mask = Signal()
        load_value = Signal()
        m.d.comb += [
            walk.next.eq(load_mask),
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
        if core.state_depth:
            m.d.comb += counter.wide.eq(config.in_wide)
        ends = Signal(2), Signal(2)
        if core.record_check:
            value_alone = Signal()
            with m.If(load_value):
                m.d.sync += value_alone.eq(sizes.r_data[-1])
            m.d.comb += [
                ends[0].eq(Cat(mask_cutter.last, config.in_check_alone)),
                ends[1].eq(Cat(value_cutter.last, value_alone)),
            ]
        return places.r_rdy, ends

    def _request(self, m: Module, tags: SyncFIFO, rings: tuple[_Ring, _Ring], ends: tuple[Signal, Signal]) -> Value:
        """Issue the bursts that have room, those of values first; returns the beats of the one that is issued."""
        core, (masks, values) = self._core, rings
        new_tag = data.View(self._tag_layout, tags.w_data)
        may_take = Signal()
        burst = Mux(values.take, values.bursts.payload.as_value(), masks.bursts.payload.as_value())
        burst = data.View(values.bursts.payload.shape(), burst)
        m.d.comb += [
            may_take.eq((self.request.ready | ~self.request.valid) & tags.w_rdy),
            values.take.eq(may_take & fits(core, values.bursts, values.requested, self.buffers.value_freed)),
            masks.take.eq(may_take & ~values.take & fits(core, masks.bursts, masks.requested, self.buffers.mask_freed)),
            values.bursts.ready.eq(values.take),
            masks.bursts.ready.eq(masks.take),
            tags.w_en.eq(masks.take | values.take),
            new_tag.is_value.eq(values.take),
            new_tag.beats.eq(burst.beats),
        ]
        if core.record_check:
            m.d.comb += Cat(new_tag.last, new_tag.check_alone).eq(Mux(values.take, ends[1], ends[0]))
        request_burst(m, self, tags.w_en, burst)
        return burst.beats

    def _receive(self, m: Module, tags: SyncFIFO, rings: tuple[_Ring, _Ring], requested: Value, counter: ValueCounter) -> None:
        """Write each beat into the ring of its burst; ``requested`` : beats of the burst that is issued."""
        index = Signal(range(BURST_BEATS))
        dropped = Signal()
        tag, beat = data.View(self._tag_layout, tags.r_data), self.data.payload
        if self._core.record_check:
            m.submodules.checker = checker = RecordChecker(self._core)
            m.d.comb += [
                checker.en.eq(self.beats_read),
                checker.beat.eq(beat),
                checker.is_value.eq(tag.is_value),
                checker.last.eq(tag.last & tags.r_en),
                dropped.eq(checker.last & tag.check_alone),
                self.damaged.eq(checker.damaged),
            ]
            beat = checker.data
        for is_value, ring in enumerate(rings):
            own = tag.is_value == is_value
            m.d.comb += [ring.memory.beat.eq(beat), ring.memory.write.eq(self.beats_read & own & ~dropped)]
            with m.If(ring.take | (dropped & own)):
                m.d.sync += ring.requested.eq(ring.requested + Mux(ring.take, requested, 0) - (dropped & own))
        m.d.comb += [
            self.data.ready.eq(tags.r_rdy),
            self.beats_read.eq(self.data.valid & self.data.ready),
            tags.r_en.eq(self.beats_read & (index + 1 == tag.beats)),
            counter.write.eq(self.beats_read & ~tag.is_value),
            counter.beat.eq(beat),
        ]
        with m.If(self.beats_read):
            m.d.sync += index.eq(Mux(tags.r_en, 0, index + 1))
