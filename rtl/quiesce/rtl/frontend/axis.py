"""Where one spatial coordinate of an input pixel leads: accumulators, weights and the displacements whose output exists."""

from typing import Any

from amaranth import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.pe.interfaces import acc_addr_width, slot_width
from quiesce.spec.config import CoreConfig

__all__ = ["Axis", "AXIS_CONFIG", "axis_entry_layout"]


AXIS_CONFIG = data.StructLayout(
    {
        "stride": 8,
        "phase": 8,
        "quot": signed(16),
        "split": 8,
        "reach_hi": signed(8),
        "reach_lo": signed(8),
        "phase_slots": 20,
        "acc_pitch": 16,
        "out_first": 16,
        "n_out": 16,
    }
)
"""Stride phases and output range of one axis (see isa.PASS_FIELDS); stable during a pass."""


def axis_entry_layout(config: CoreConfig) -> data.StructLayout:
    """What a coordinate contributes.

    Members
    -------
    acc : to the accumulator address, modulo ``acc_depth``
    slot : to the slot index, modulo the number of slots
    low, high : displacements d with low <= d <= high reach an output that exists
    """
    return data.StructLayout(
        {
            "acc": unsigned(acc_addr_width(config)),
            "slot": unsigned(slot_width(config)),
            "low": signed(8),
            "high": signed(8),
        }
    )


class Axis(wiring.Component):
    """Steps through the coordinates of one axis.

    With padding p, stride s and coordinate x: phase = (x + p) mod s, quot = (x + p) div s, and the kernel entry of displacement d
    adds to output ``quot - d``. ``start`` loads the first coordinate (``phase`` cycles until ``ready``); ``advance`` moves to the
    next one in a single cycle.

    Members
    -------
    entry : contribution of the present coordinate
    quot : (x + p) div s
    ready : ``entry`` is valid
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "start": In(1),
                "advance": In(1),
                "config": In(AXIS_CONFIG),
                "entry": Out(axis_entry_layout(config)),
                "quot": Out(signed(16)),
                "ready": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        phase = Signal(8, reset_less=True)
        quot = Signal(signed(16), reset_less=True)
        acc = Signal(acc_addr_width(self._config), reset_less=True)
        slot = Signal(slot_width(self._config), reset_less=True)
        ready = Signal()

        with m.If(self.start):
            m.d.sync += [phase.eq(0), quot.eq(config.quot), acc.eq(0), slot.eq(0), ready.eq(config.phase == 0)]
        with m.Elif(~ready):
            m.d.sync += [phase.eq(phase + 1), slot.eq(slot + config.phase_slots), ready.eq(phase + 1 == config.phase)]
        with m.Elif(self.advance):
            with m.If(phase + 1 == config.stride):
                m.d.sync += [phase.eq(0), slot.eq(0), quot.eq(quot + 1), acc.eq(acc + config.acc_pitch)]
            with m.Else():
                m.d.sync += [phase.eq(phase + 1), slot.eq(slot + config.phase_slots)]

        reach = Signal(signed(8))
        from_first = Signal(signed(18))
        past_last = Signal(signed(18))
        m.d.comb += [
            reach.eq(Mux(phase < config.split, config.reach_hi, config.reach_lo)),
            from_first.eq(quot - config.out_first),
            past_last.eq(from_first - config.n_out + 1),
            self.entry.acc.eq(acc),
            self.entry.slot.eq(slot),
            self.entry.low.eq(Mux(past_last < 0, 0, Mux(past_last > 127, 127, past_last))),
            self.entry.high.eq(Mux(from_first < 0, -1, Mux(from_first < reach, from_first, reach))),
            self.quot.eq(quot),
            self.ready.eq(ready & ~self.start),
        ]
        return m
