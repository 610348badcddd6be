"""Turns found activations into events of a context: which accumulators, which slot, which positions."""

from amaranth import Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.axis import axis_entry_layout
from quiesce.rtl.detector import found_layout
from quiesce.rtl.events import context_layout, event_layout
from quiesce.rtl.layouts import pass_layout
from quiesce.sw.config import CoreConfig

__all__ = ["ContextStage", "broadcast_layout"]


def broadcast_layout(config: CoreConfig) -> data.StructLayout:
    """An event with its context, as offered to all PEs; ``last_group`` tells that channels may be missing in some PEs."""
    return data.StructLayout({"event": event_layout(config), "context": context_layout(config), "last_group": 1})


class ContextStage(wiring.Component):
    """Position p of an event at quotients (qr, qc) adds to output (qr - dr[p], qc - dc[p]); it is kept if that output exists.

    An event without any such position is dropped. ``first`` is set when the context differs from the event's before it.
    Latency two cycles, throughput one event per cycle.

    Members
    -------
    i_found, value : found activations; ``value`` (from the buffer) belongs to the one accepted last
    row : contribution of the present row, stable while the stage is busy
    col_en, col_entry : the column table, read when an activation is accepted
    dr, dc : displacements of the positions; ``exists`` has a bit for each position in use
    n_events : a nonzero activation was counted (once, not once per context)
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "start": In(1),
                "config": In(pass_layout("last_mask")),
                "exists": In(config.mask_width),
                "dr": In(data.ArrayLayout(signed(8), config.mask_width)),
                "dc": In(data.ArrayLayout(signed(8), config.mask_width)),
                "i_found": In(stream.Signature(found_layout(config))),
                "value": In(signed(8)),
                "row": In(axis_entry_layout(config)),
                "col_en": Out(1),
                "col_entry": In(axis_entry_layout(config)),
                "o_events": Out(stream.Signature(broadcast_layout(config))),
                "event_found": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config

        found_valid = Signal()
        found = Signal(found_layout(config), reset_less=True)
        value = Signal(signed(8))
        mask = Signal(config.mask_width)
        base = Signal(config.acc_depth.bit_length() - 1)
        useful, pass_on, free = Signal(), Signal(), Signal()
        out = self.o_events.payload

        low, high = Signal(signed(10)), Signal(signed(10))
        m.d.comb += [
            low.eq(self.row.low - found.kshift),
            high.eq(self.row.high - found.kshift),
            value.eq(Mux(found.nonzero, self.value, 0)),
            base.eq(self.row.acc + self.col_entry.acc + found.ctx_acc),
        ]
        last = Mux(found.last_group, self.config.last_mask, ~Const(0, config.mask_width))
        for p in range(config.mask_width):
            row_ok = (low <= self.dr[p]) & (self.dr[p] <= high)
            col_ok = (self.col_entry.low <= self.dc[p]) & (self.dc[p] <= self.col_entry.high)
            m.d.comb += mask[p].eq(row_ok & col_ok & self.exists[p] & last[p])

        m.d.comb += [
            free.eq(~self.o_events.valid | self.o_events.ready),
            useful.eq(found.marker | (mask != 0)),
            pass_on.eq(found_valid & (free | ~useful)),
            self.i_found.ready.eq(~found_valid | pass_on),
            self.col_en.eq(self.i_found.valid & self.i_found.ready),
            self.event_found.eq(pass_on & ~found.marker & found.first_ctx & (value != 0)),
            self.busy.eq(found_valid | self.o_events.valid),
        ]
        with m.If(self.i_found.ready):
            m.d.sync += found_valid.eq(self.i_found.valid)
            with m.If(self.i_found.valid):
                m.d.sync += found.eq(self.i_found.payload)

        known = Signal()  # ``out.context`` is what the PEs have last been told
        with m.If(free):
            m.d.sync += self.o_events.valid.eq(found_valid & useful)
            with m.If(found_valid & useful):
                same = known & (out.context.mask == mask) & (out.context.base == base) & (out.last_group == found.last_group)
                m.d.sync += [
                    out.event.slot.eq(self.row.slot + self.col_entry.slot + found.slot),
                    out.event.value.eq(value),
                    out.event.first.eq(~found.marker & ~same),
                    out.event.marker.eq(found.marker),
                ]
                with m.If(~found.marker):
                    m.d.sync += [
                        known.eq(1), out.context.mask.eq(mask), out.context.base.eq(base), out.last_group.eq(found.last_group),
                    ]  # fmt: skip
        with m.If(self.start):
            m.d.sync += known.eq(0)
        return m
