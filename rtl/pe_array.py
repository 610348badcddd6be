"""The PEs, the broadcast of events to them, and the rows that all of them have finished."""

from amaranth import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.bits import bits_for_index, popcount
from quiesce.rtl.context import broadcast_layout
from quiesce.rtl.events import acc_addr_width
from quiesce.rtl.layouts import pass_layout
from quiesce.rtl.pe import PE, load_signature
from quiesce.sw.config import CoreConfig

__all__ = ["PEArray", "activity_layout"]

_MOST_AHEAD = 8


def activity_layout(config: CoreConfig) -> data.StructLayout:
    """What the PEs did in one cycle: each a number of PEs, the MACs a number of lanes, accumulators up to two accesses a PE."""
    pes, lanes = range(config.n_pes + 1), range(config.lanes + 1)
    return data.StructLayout(
        {
            "busy": pes,
            "n_effectual": lanes,
            "row_reads": pes,
            "mask_reads": pes,
            "acc_accesses": range(2 * config.n_pes + 1),
            "pushes": pes,
        }
    )


class PEArray(wiring.Component):
    """All PEs of a core.

    An event is taken when every PE that has a position for it has room. PEs without an output channel in the context are passed
    over, and so are all but one in a targeted pass. One drain address serves all PEs; each grants it when its bank is free.

    Members
    -------
    i_events : events and contexts
    load, load_pe : write ports of the weight memories, and the PE they go to
    n_last_pes, partial_mask : PEs that own a channel of the last output group, and the positions left to the others
    drain, drain_addr, drain_grant, drained : per PE a request bit, a grant and the accumulators' contents
    row_done : pulse, every PE has finished one more input row
    blocked : an event is held up by a full FIFO
    idle : every PE is empty
    activity : for the counters
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "i_events": In(stream.Signature(broadcast_layout(config))),
                "load": In(load_signature(config)),
                "load_pe": In(bits_for_index(config.n_pes)),
                "config": In(pass_layout("op_max", "slot_log2", "weight_log2", "n_last_pes", "partial_mask", "targeted")),
                "dense": In(1),
                "offset": In(acc_addr_width(config)).array(config.mask_width),
                "drain": In(config.n_pes),
                "drain_addr": In(acc_addr_width(config)),
                "drain_grant": Out(config.n_pes),
                "drained": Out(data.ArrayLayout(signed(config.acc_width), config.lanes)),
                "row_done": Out(1),
                "blocked": Out(1),
                "idle": Out(1),
                "activity": Out(activity_layout(config)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        pes = [PE(config) for _ in range(config.n_pes)]
        payload = self.i_events.payload
        wanted, ready = Signal(config.n_pes), Signal(config.n_pes)
        # A PE that is _MOST_AHEAD rows ahead of another one holds; those under way in it still arrive.
        rows_ahead = [Signal(range(4 * _MOST_AHEAD), name=f"rows_ahead_{n}") for n in range(config.n_pes)]
        m.d.comb += [
            self.i_events.ready.eq((~wanted | ready).all()),
            self.blocked.eq(self.i_events.valid & ~self.i_events.ready),
            self.row_done.eq(Cat(ahead != 0 for ahead in rows_ahead).all()),
        ]
        for n, pe in enumerate(pes):
            m.submodules[f"pe_{n}"] = pe
            mask = Signal(config.mask_width, name=f"mask_{n}")
            partial = payload.last_group & (n >= self.config.n_last_pes)
            m.d.comb += [
                mask.eq(payload.context.mask & Mux(partial, self.config.partial_mask, ~0)),
                wanted[n].eq(payload.event.marker | ((mask != 0) & (~self.config.targeted | (payload.pe == n)))),
                ready[n].eq(pe.i_event.ready),
                pe.i_event.valid.eq(self.i_events.valid & wanted[n] & self.i_events.ready),
                pe.i_event.payload.eq(payload.event),
                pe.i_context.mask.eq(mask),
                pe.i_context.base.eq(payload.context.base),
                pe.load.mask_en.eq(self.load.mask_en & (self.load_pe == n)),
                pe.load.mask_addr.eq(self.load.mask_addr),
                pe.load.mask.eq(self.load.mask),
                pe.load.row_en.eq(self.load.row_en & (self.load_pe == n)),
                pe.load.row_addr.eq(self.load.row_addr),
                pe.load.row.eq(self.load.row),
                pe.op_max.eq(self.config.op_max),
                pe.slot_log2.eq(self.config.slot_log2),
                pe.weight_log2.eq(self.config.weight_log2),
                pe.dense.eq(self.dense),
                pe.offset.eq(Array(self.offset)[pe.position]),
                pe.hold.eq(rows_ahead[n] >= _MOST_AHEAD),
                pe.drain.eq(self.drain[n]),
                pe.drain_addr.eq(self.drain_addr),
                self.drain_grant[n].eq(pe.drain_grant),
            ]
            for lane in range(config.n_lanes):
                m.d.comb += self.drained[n * config.n_lanes + lane].eq(pe.drained[lane])
            m.d.sync += rows_ahead[n].eq(rows_ahead[n] + pe.row_end - self.row_done)

        def total(name):
            return popcount(Cat(getattr(pe, name) for pe in pes))

        m.d.comb += [
            self.idle.eq(Cat(pe.idle for pe in pes).all()),
            self.activity.busy.eq(total("busy_lanes")),
            self.activity.row_reads.eq(total("row_read")),
            self.activity.mask_reads.eq(total("mask_read")),
            self.activity.acc_accesses.eq(sum(pe.n_acc_accesses for pe in pes)),
            self.activity.pushes.eq(total("push")),
            self.activity.n_effectual.eq(sum(pe.n_effectual for pe in pes)),
        ]
        return m
