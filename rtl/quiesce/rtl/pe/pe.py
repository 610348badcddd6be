"""Processing element: event FIFO, walker, weight masks and lanes."""

from typing import Any

from amaranth import Module, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out, connect

from quiesce.rtl.lib.checked_ram import join_status, status_ports
from quiesce.rtl.pe.interfaces import acc_addr_width, context_layout, event_layout, load_signature, set_load
from quiesce.rtl.pe.lanes import Lanes
from quiesce.rtl.pe.mask_memory import MaskMemory
from quiesce.rtl.pe.walker import Walker
from quiesce.spec.config import CoreConfig

__all__ = ["PE"]


class PE(wiring.Component):
    """One processing element.

    Pipeline: event FIFO, walk (see Walker), lanes (see Lanes); one operation of all lanes per cycle. Events are accepted while
    both FIFOs have room.

    Members
    -------
    i_event, i_context : from the detector; a context is taken together with an event whose ``first`` is set
    load : write ports of the weight memories
    op_max, dense, slot_log2, weight_log2 : see Walker and Lanes; stable during a pass
    position, offset : see Walker
    hold : start no further event
    drain, drain_addr, drain_grant, drained : see Accumulator
    row_done : pulse, every operation of an input row is in the accumulators
    idle : nothing in the FIFO, the pipeline or the registers
    busy, n_effectual, row_read, mask_read, n_acc_accesses, push : activity of this cycle, for the counters
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "i_event": In(stream.Signature(event_layout(config))),
                "i_context": In(context_layout(config)),
                "load": In(load_signature(config)),
                "op_max": In(1),
                "dense": In(1),
                "slot_log2": In(3),
                "weight_log2": In(2),
                "position": Out(range(config.mask_width)),
                "offset": In(acc_addr_width(config)),
                "hold": In(1),
                "drain": In(1),
                "drain_addr": In(acc_addr_width(config)),
                "drain_grant": Out(1),
                "drained": Out(data.ArrayLayout(signed(config.acc_width), config.n_lanes)),
                "row_done": Out(1),
                "idle": Out(1),
                "busy": Out(1),
                "n_effectual": Out(range(config.n_lanes + 1)),
                "row_read": Out(1),
                "mask_read": Out(1),
                "n_acc_accesses": Out(range(3)),
                "push": Out(1),
                **status_ports(config.ram_check),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        m.submodules.walker = walker = Walker(config)
        m.submodules.masks = masks = MaskMemory(config)
        m.submodules.lanes = lanes = Lanes(config)
        event_width, context_width = event_layout(config).size, context_layout(config).size
        m.submodules.event_fifo = events = SyncFIFO(width=event_width, depth=config.event_fifo_depth)
        m.submodules.context_fifo = contexts = SyncFIFO(width=context_width, depth=config.context_fifo_depth)

        join_status(m, self, [masks, lanes])
        connect(m, contexts.r_stream, walker.i_context)
        m.d.comb += [
            self.i_event.ready.eq(events.w_rdy & contexts.w_rdy),
            self.push.eq(self.i_event.valid & self.i_event.ready),
            events.w_en.eq(self.push),
            events.w_data.eq(self.i_event.payload),
            contexts.w_en.eq(self.push & self.i_event.payload.first),
            contexts.w_data.eq(self.i_context),
        ]
        m.d.comb += [
            walker.i_event.valid.eq(events.r_rdy & ~self.hold & ~lanes.crowded),
            walker.i_event.payload.eq(events.r_data),
            events.r_en.eq(walker.i_event.ready),
            walker.dense.eq(self.dense),
            walker.slot_log2.eq(self.slot_log2),
            self.position.eq(walker.position),
            walker.offset.eq(self.offset),
            walker.mask.eq(masks.mask),
            masks.en.eq(walker.mask_en),
            masks.addr.eq(walker.mask_addr),
            *set_load(masks.load, self.load),
        ]
        m.d.comb += [
            lanes.en.eq(walker.o_valid),
            lanes.o.eq(walker.o),
            lanes.row_end.eq(walker.row_end),
            *set_load(lanes.load, self.load),
            lanes.op_max.eq(self.op_max),
            lanes.weight_log2.eq(self.weight_log2),
            lanes.drain.eq(self.drain),
            lanes.drain_addr.eq(self.drain_addr),
            self.drain_grant.eq(lanes.drain_grant),
            self.drained.eq(lanes.drained),
            self.row_done.eq(lanes.row_done),
            self.idle.eq(~(events.r_rdy | walker.busy) & lanes.idle),
            self.busy.eq(lanes.busy),
            self.n_effectual.eq(lanes.n_effectual),
            self.row_read.eq(lanes.row_read),
            self.mask_read.eq(masks.en),
            self.n_acc_accesses.eq(lanes.n_acc_accesses),
        ]
        return m
