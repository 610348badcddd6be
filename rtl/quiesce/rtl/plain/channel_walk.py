"""Order of a scan without masks: a counter walks all channels."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring

from quiesce.rtl.frontend.interfaces import beat_pointer_width
from quiesce.rtl.frontend.scan_order import ORDER_FIELDS, ScanOrder
from quiesce.rtl.frontend.source_ports import source_members
from quiesce.spec.config import CoreConfig

__all__ = ["ChannelWalk"]

_FIELDS = (*ORDER_FIELDS, "n_cols", "in_chans", "in_pitch", "in_narrow")


class ChannelWalk(wiring.Component):
    """Emits every activation of a pass in the order of ScanOrder; a unit is the channels of a pixel, or ``unit_slots`` of them.

    One activation per cycle, without a bubble anywhere but between rows.

    All count as ``nonzero``, as their values are stored. For its members see `source_members`.
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(source_members(config, *_FIELDS))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, core, buffers = self.config, self._config, self.buffers
        per_beat = 2 * core.beat_bytes  # half bytes, the unit of value addresses
        beat_bits = per_beat.bit_length() - 1

        order = ScanOrder(core, config, chan_bits=16)
        chan = Signal(16, reset_less=True)  # in the unit
        pixel = Signal(beat_pointer_width(core) + beat_bits)  # address of the pixel; a pass begins where the last one has ended

        address = Signal.like(pixel)
        next_pixel = Signal.like(pixel)
        next_unit = Signal.like(pixel)
        aligned = Cat(Const(0, beat_bits), ((next_pixel + per_beat - 1) >> beat_bits)[: len(buffers.value_freed)])
        step = Signal()
        scanning = Signal()
        available = Signal()
        last_chan = Signal()
        last_unit = Signal()
        last_col = Signal()
        found = self.o_found.payload
        m.d.comb += [
            address.eq(pixel + ((order.unit_chan + chan) << ~config.in_narrow)),
            next_pixel.eq(pixel + (config.in_pitch << ~config.in_narrow)),
            next_unit.eq(address + Mux(config.in_narrow, 1, 2)),
            available.eq(address[beat_bits:] != buffers.value_written),
            last_unit.eq(order.unit_chan + config.unit_slots >= config.in_chans),
            last_chan.eq((chan + 1 == config.unit_slots) | (order.unit_chan + chan + 1 == config.in_chans)),
            last_col.eq(order.col + 1 == config.n_cols),
            step.eq(scanning & available & self.o_found.ready),
            *order.context_of(found),
            found.chan.eq(order.plane_chan + order.unit_chan + chan),
            found.nonzero.eq(scanning),
            buffers.value_en.eq(step),
            buffers.value_addr.eq(address),
            buffers.value_narrow.eq(config.in_narrow),
        ]
        unit_end = step & last_chan & order.last_gctx & order.last_kctx
        self._sequence(m, order, chan, unit_end & last_unit & last_col & order.last_plane, scanning, available)
        with m.If(step):
            m.d.sync += chan.eq(chan + 1)
        with m.If(step & last_chan):
            m.d.sync += chan.eq(0)
            order.next_context(m)
        with m.If(unit_end):
            m.d.sync += buffers.value_freed.eq(next_unit[beat_bits:])
            with m.If(last_unit):
                m.d.sync += [order.unit_chan.eq(0), order.col.eq(order.col + 1), pixel.eq(next_pixel)]
                m.d.sync += buffers.value_freed.eq(next_pixel[beat_bits:])
            with m.If(last_unit & last_col):
                m.d.sync += [pixel.eq(aligned), buffers.value_freed.eq(aligned[beat_bits:])]
                order.next_plane(m)
        return m

    def _sequence(self, m: Module, order: ScanOrder, chan: Signal, row_end: Value, scanning: Signal, available: Signal) -> None:
        """States of a pass; ``row_end`` : the last activation of a row is taken."""
        with m.FSM():
            order.begin(m, self, [chan.eq(0)])
            with m.State("SCAN"):
                m.d.comb += [scanning.eq(1), self.waiting_memory.eq(~available), self.o_found.valid.eq(available)]
                with m.If(row_end):
                    m.next = "ROW END"
            with m.State("ROW END"):
                m.d.comb += [self.o_found.valid.eq(1), self.o_found.payload.row_end.eq(1)]
                with m.If(self.o_found.ready):
                    m.next = "SETTLE"
            order.end(m, self, self.settled)
