"""The PEs, the broadcast of events to them, and the rows that all of them have finished."""

from typing import Any

from amaranth import Array, Cat, Module, Mux, Signal
from amaranth.lib import wiring

from quiesce.rtl.pe.array_ports import array_members, join_results, total
from quiesce.rtl.pe.interfaces import set_load
from quiesce.rtl.pe.pe import PE
from quiesce.spec.config import CoreConfig

__all__ = ["PEArray"]


class PEArray(wiring.Component):
    """All PEs of a core; for its members see `array_members`.

    An event is taken when every PE that has a position for it has room. PEs without an output channel in the context are passed
    over, and so are all but one in a targeted pass. One drain address serves all PEs; each grants it when its bank is free.
    Of the pass, ``n_last_pes`` PEs own a channel of the last output group, and ``partial_mask`` are the positions left to others.
    """

    def __init__(self, config: CoreConfig):
        self.config_of_core = config
        fields = ("op_max", "slot_log2", "weight_log2", "n_last_pes", "partial_mask", "targeted")
        super().__init__(array_members(config, *fields))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config_of_core
        pes = [PE(config) for _ in range(config.n_pes)]
        payload = self.i_events.payload
        wanted = Signal(config.n_pes)
        ready = Signal(config.n_pes)
        rows = join_results(m, self, pes)
        m.d.comb += self.i_events.ready.eq((~wanted | ready).all())
        for n, pe in enumerate(pes):
            m.submodules[f"pe_{n}"] = pe
            mask = Signal(config.mask_width, name=f"mask_{n}")
            partial = payload.last_group & (n >= self.config.n_last_pes)
            m.d.comb += [
                mask.eq(payload.context.mask & Mux(partial, self.config.partial_mask, ~0)),
                wanted[n].eq(payload.event.row_end | ((mask != 0) & (~self.config.targeted | (payload.pe == n)))),
                ready[n].eq(pe.i_event.ready),
                pe.i_event.valid.eq(self.i_events.valid & wanted[n] & self.i_events.ready),
                pe.i_event.payload.eq(payload.event),
                pe.i_context.mask.eq(mask),
                pe.i_context.base.eq(payload.context.base),
                *set_load(pe.load, self.load, self.load_pe == n),
                pe.op_max.eq(self.config.op_max),
                pe.slot_log2.eq(self.config.slot_log2),
                pe.weight_log2.eq(self.config.weight_log2),
                pe.dense.eq(self.dense),
                pe.offset.eq(Array(self.offset)[pe.position]),
                pe.hold.eq(rows.hold[n]),
            ]
        m.d.comb += [
            self.idle.eq(Cat(pe.idle for pe in pes).all()),
            self.activity.mask_reads.eq(total(pes, "mask_read")),
            self.activity.pushes.eq(total(pes, "push")),
        ]
        return m
