"""Turns found activations into events of a context: which accumulators, which slot, which positions."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from quiesce.rtl.frontend.axis import axis_entry_layout
from quiesce.rtl.frontend.interfaces import found_layout
from quiesce.rtl.lib.bits import bits_for_index
from quiesce.rtl.lib.layouts import pass_layout
from quiesce.rtl.pe.interfaces import acc_addr_width, broadcast_layout, slot_width
from quiesce.spec.config import CoreConfig

__all__ = ["CONTEXT_FIELDS", "ContextStage"]

CONTEXT_FIELDS = ("last_mask", "targeted", "shared", "valid_chans")


class ContextStage(wiring.Component):
    """Position p of an event at quotients (qr, qc) adds to output (qr - dr[p], qc - dc[p]); it is kept if that output exists.

    An event without any such position is dropped. ``first`` is set when the context differs from the event's before it.

    In a targeted pass input channel c adds to output channel c only: to group ``c // lanes`` in PE ``(c // n_lanes) % n_pes``,
    with the weights of slot (group, ``c % n_lanes``). An event of another tile's channel is dropped, and each one starts a
    context, since its PE may not have seen the one before it.

    Latency two cycles, throughput one event per cycle.

    Members
    -------
    i_found, value : found activations; ``value`` (from the buffer) belongs to the one accepted last
    row : contribution of the present row, stable while the stage is busy
    col_en, col_entry : the column table, read when an activation is accepted
    dr, dc : displacements of the positions; ``exists`` has a bit for each position in use
    event_found : a nonzero activation was counted (once, not once per context)
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "start": In(1),
                "config": In(pass_layout(*CONTEXT_FIELDS)),
                "exists": In(config.mask_width),
                "dr": In(signed(8)).array(config.mask_width),
                "dc": In(signed(8)).array(config.mask_width),
                "i_found": In(stream.Signature(found_layout(config))),
                "value": In(signed(config.operand_width)),
                "row": In(axis_entry_layout(config)),
                "col_en": Out(1),
                "col_entry": In(axis_entry_layout(config)),
                "o_events": Out(stream.Signature(broadcast_layout(config))),
                "event_found": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, out = self._config, self.o_events.payload
        found_valid = Signal()
        found = Signal(found_layout(config), reset_less=True)
        value = Signal(signed(self._config.operand_width))
        group, slot, pe, foreign = self._owner(m, found)
        mask = self._reachable(m, found)
        base = Signal(acc_addr_width(config))
        useful = Signal()
        pass_on = Signal()
        free = Signal()
        m.d.comb += [
            value.eq(Mux(found.nonzero, self.value, 0)),
            base.eq(self.row.acc + self.col_entry.acc + found.ctx_acc + group),
            free.eq(~self.o_events.valid | self.o_events.ready),
            useful.eq(found.row_end | ((mask != 0) & ~foreign)),
            pass_on.eq(found_valid & (free | ~useful)),
            self.i_found.ready.eq(~found_valid | pass_on),
            self.col_en.eq(self.i_found.valid & self.i_found.ready),
            self.event_found.eq(pass_on & ~found.row_end & found.first_ctx & (value != 0) & ~foreign),
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
                    out.event.slot.eq(self.row.slot + self.col_entry.slot + found.ctx_slot + slot),
                    out.event.value.eq(value),
                    out.event.first.eq(~found.row_end & (~same | self.config.targeted)),
                    out.event.row_end.eq(found.row_end),
                    out.pe.eq(pe),
                ]
                with m.If(~found.row_end):
                    m.d.sync += [
                        known.eq(1), out.context.mask.eq(mask), out.context.base.eq(base), out.last_group.eq(found.last_group),
                    ]  # fmt: skip
        with m.If(self.start):
            m.d.sync += known.eq(0)
        return m

    def _owner(self, m: Module, found: data.View) -> tuple[Signal, Signal, Signal, Signal]:
        """Group, slot and PE of a channel in a targeted pass, and whether it is another tile's; otherwise its slot only."""
        config = self._config
        slot = Signal(slot_width(config))
        group = Signal(acc_addr_width(config))
        pe = Signal(bits_for_index(config.n_pes))
        foreign = Signal()
        if config.single_pe_events:
            lane_bits, bits = exact_log2(config.n_lanes), exact_log2(config.lanes)
            chan = found.chan
            with m.If(self.config.targeted):
                m.d.comb += [
                    group.eq(chan[bits:]),
                    slot.eq(Cat(chan[:lane_bits], Mux(self.config.shared, 0, chan[bits:]))),
                    pe.eq(chan[lane_bits:bits]),
                    foreign.eq(~found.row_end & (chan >= self.config.valid_chans)),
                ]
            with m.Else():
                m.d.comb += slot.eq(chan)
        else:
            m.d.comb += slot.eq(found.chan)
        return group, slot, pe, foreign

    def _reachable(self, m: Module, found: data.View) -> Signal:
        """A bit for each position whose output exists."""
        width = self._config.mask_width
        low = Signal(signed(10))
        high = Signal(signed(10))
        mask = Signal(width)
        m.d.comb += [low.eq(self.row.low - found.kshift), high.eq(self.row.high - found.kshift)]
        last = Mux(found.last_group, self.config.last_mask, ~Const(0, width))
        for p in range(width):
            row_ok = (low <= self.dr[p]) & (self.dr[p] <= high)
            col_ok = (self.col_entry.low <= self.dc[p]) & (self.dc[p] <= self.col_entry.high)
            m.d.comb += mask[p].eq(row_ok & col_ok & self.exists[p] & last[p])
        return mask
