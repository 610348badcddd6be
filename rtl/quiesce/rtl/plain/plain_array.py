"""An array without event logic: PEs in lock-step behind one address generator."""

from typing import Any

from amaranth import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from quiesce.rtl.pe.array_ports import array_members, join_results
from quiesce.rtl.pe.interfaces import set_load
from quiesce.rtl.pe.lanes import Lanes
from quiesce.rtl.plain.position_walk import PositionWalk
from quiesce.spec.config import CoreConfig

__all__ = ["PlainArray"]


class PlainArray(wiring.Component):
    """All lanes of a core; for its members see `array_members`.

    Every PE takes part in every operation, but for those without an output channel in it; in a targeted pass only one does.
    """

    def __init__(self, config: CoreConfig):
        self.config_of_core = config
        fields = ("op_max", "weight_log2", "n_positions", "slot_base", "n_last_pes", "partial_mask", "targeted")
        super().__init__(array_members(config, *fields))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config_of_core
        pes = [Lanes(config) for _ in range(config.n_pes)]
        m.submodules.walker = walker = PositionWalk(config)
        rows = join_results(m, self, pes)
        connect(m, flipped(self.i_events), walker.i_events)
        m.d.comb += [
            walker.config.n_positions.eq(self.config.n_positions),
            walker.config.slot_base.eq(self.config.slot_base),
            walker.hold.eq(rows.hold.any() | Cat(pe.crowded for pe in pes).any()),
            *(there.eq(here) for there, here in zip(walker.offset, self.offset, strict=True)),
            self.idle.eq(~walker.busy & Cat(pe.idle for pe in pes).all()),
        ]
        partial = walker.o.last_group & ~self.config.partial_mask.bit_select(walker.o.bit, 1)
        for n, pe in enumerate(pes):
            m.submodules[f"pe_{n}"] = pe
            left_out = (partial & (n >= self.config.n_last_pes)) | (self.config.targeted & (walker.o.pe != n))
            m.d.comb += [
                pe.en.eq(walker.o_valid & ~left_out),
                pe.o.eq(walker.o.o),
                pe.row_end.eq(walker.row_end),
                *set_load(pe.load, self.load, self.load_pe == n),
                pe.op_max.eq(self.config.op_max),
                pe.weight_log2.eq(self.config.weight_log2),
            ]
        return m
