"""Activation reader of a plain core: row records without masks."""

from amaranth import Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.bus.burst_cutter import BurstCutter
from quiesce.rtl.frontend.buffers import buffer_signature
from quiesce.rtl.frontend.record_walk import WALK_FIELDS, RecordWalk
from quiesce.rtl.frontend.value_ring import ValueRing
from quiesce.rtl.lib.checked_ram import join_status, status_ports
from quiesce.rtl.lib.layouts import Burst, connect_fields, pass_layout
from quiesce.spec.config import CoreConfig

__all__ = ["PlainReader"]


class PlainReader(wiring.Component):
    """Read the dense row records of a pass into one ring, rows outside, planes inside.

    What is requested has room in the ring. Each record starts with a fresh beat. One burst is requested per cycle, one beat taken
    per cycle. A pass may begin while the consumer still works on the one before.

    Members
    -------
    start : pulse, only while ``done``; begin a pass
    done : all of the last pass has arrived
    config : stable from ``start`` until ``done``; ``in_mask_beats`` are the beats of a record
    rows_written, all_written : see RecordWalk
    request, data : client of the read DMA
    buffers : see buffer_signature
    beats_read : a beat was taken in this cycle
    """

    def __init__(self, config: CoreConfig):
        self._core = config
        super().__init__(
            {
                "start": In(1),
                "done": Out(1),
                "config": In(pass_layout(*WALK_FIELDS, "in_region", "in_mask_beats")),
                "rows_written": In(16),
                "all_written": In(1),
                "request": Out(stream.Signature(Burst)),
                "data": In(stream.Signature(unsigned(config.data_width))),
                "buffers": In(buffer_signature(config)),
                "beats_read": Out(1),
                **status_ports(config.ram_check),
            }
        )

    def elaborate(self, platform):
        m = Module()
        core, config, buffers = self._core, self.config, self.buffers
        m.submodules.values = values = ValueRing(core)
        join_status(m, self, [values])
        m.submodules.walk = walk = RecordWalk()
        m.submodules.cutter = cutter = BurstCutter(core, 16)
        connect_fields(m.d.comb, walk.config, config)
        requested = Signal.like(values.written)
        burst = cutter.o_bursts
        load = Signal()
        take = Signal()
        used = (requested - buffers.value_freed)[: len(requested)]
        m.d.comb += [
            walk.start.eq(self.start),
            walk.next.eq(load),
            walk.rows_written.eq(self.rows_written),
            walk.all_written.eq(self.all_written),
            load.eq(walk.active & cutter.idle),
            cutter.load.eq(load),
            cutter.offset.eq(walk.offset),
            cutter.beats.eq(config.in_mask_beats),
            take.eq(burst.valid & (self.request.ready | ~self.request.valid) & (used + burst.payload.beats <= core.act_depth)),
            burst.ready.eq(take),
            self.data.ready.eq(requested != values.written),
            self.beats_read.eq(self.data.valid & self.data.ready),
            values.write.eq(self.beats_read),
            values.beat.eq(self.data.payload),
            values.en.eq(buffers.value_en),
            values.addr.eq(buffers.value_addr),
            values.narrow.eq(buffers.value_narrow),
            buffers.value_data.eq(values.value),
            buffers.value_written.eq(values.written),
            self.done.eq(walk.done & cutter.idle & ~self.data.ready),
        ]
        with m.If(self.request.ready):
            m.d.sync += self.request.valid.eq(0)
        with m.If(take):
            m.d.sync += [
                self.request.valid.eq(1),
                self.request.payload.region.eq(config.in_region),
                self.request.payload.offset.eq(burst.payload.offset),
                self.request.payload.beats.eq(burst.payload.beats),
                requested.eq(requested + burst.payload.beats),
            ]
        return m
