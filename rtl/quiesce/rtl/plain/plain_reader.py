"""Activation reader of a plain core: row records without masks."""

from typing import Any

from amaranth import Module, Signal
from amaranth.lib import wiring

from quiesce.rtl.bus.burst_cutter import BurstCutter
from quiesce.rtl.frontend.reader_ports import connect_values, connect_walk, fits, reader_members, request_burst
from quiesce.rtl.frontend.record_walk import RecordWalk
from quiesce.rtl.frontend.value_ring import ValueRing
from quiesce.rtl.lib.checked_ram import join_status
from quiesce.spec.config import CoreConfig

__all__ = ["PlainReader"]


class PlainReader(wiring.Component):
    """Read the dense row records of a pass into one ring, rows outside, planes inside.

    What is requested has room in the ring. Each record starts with a fresh beat. One burst is requested per cycle, one beat taken
    per cycle. A pass may begin while the consumer still works on the one before.

    For its members see `reader_members`; ``in_mask_beats`` are the beats of a record.
    """

    def __init__(self, config: CoreConfig):
        self._core = config
        super().__init__(reader_members(config, "in_mask_beats"))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        core, buffers = self._core, self.buffers
        m.submodules.values = values = ValueRing(core)
        join_status(m, self, [values])
        m.submodules.walk = walk = RecordWalk()
        m.submodules.cutter = cutter = BurstCutter(core, 16)
        connect_walk(m, self, walk)
        connect_values(m, buffers, values)
        requested = Signal.like(values.written)
        burst = cutter.o_bursts
        load = Signal()
        take = Signal()
        m.d.comb += [
            walk.next.eq(load),
            load.eq(walk.active & cutter.idle),
            cutter.load.eq(load),
            cutter.offset.eq(walk.offset),
            cutter.beats.eq(self.config.in_mask_beats),
            take.eq((self.request.ready | ~self.request.valid) & fits(core, burst, requested, buffers.value_freed)),
            burst.ready.eq(take),
            self.data.ready.eq(requested != values.written),
            self.beats_read.eq(self.data.valid & self.data.ready),
            values.write.eq(self.beats_read),
            values.beat.eq(self.data.payload),
            self.done.eq(walk.done & cutter.idle & ~self.data.ready),
        ]
        request_burst(m, self, take, burst.payload)
        with m.If(take):
            m.d.sync += requested.eq(requested + burst.payload.beats)
        return m
