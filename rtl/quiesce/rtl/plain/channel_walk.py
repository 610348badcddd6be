"""Order of a scan without masks: a counter walks all channels."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring

from quiesce.rtl.frontend.buffers import beat_pointer_width
from quiesce.rtl.frontend.source_ports import source_members
from quiesce.rtl.lib.bits import bits_for_index
from quiesce.rtl.pe.events import acc_addr_width, chan_width, slot_width
from quiesce.spec.config import CoreConfig

__all__ = ["ChannelWalk"]

_FIELDS = (
    "n_kctx", "n_gctx", "n_planes", "n_rows", "n_cols", "kctx_dr", "kctx_acc", "gctx_acc", "ctx_slots", "plane_slots",
    "unit_slots", "in_chans", "in_pitch", "in_narrow", "targeted",
)  # fmt: skip


class ChannelWalk(wiring.Component):
    """Emits every activation of a pass: rows, planes, pixels, units, contexts, channels innermost.

    A *unit* (the channels of a pixel, or ``unit_slots`` of them) is scanned once per context before the next one. At the end of a
    row the pipeline behind runs empty before ``row_advance``.

    One activation per cycle, without a bubble anywhere but between rows.

    All count as ``nonzero``, as their values are stored. For its members see `source_members`.
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(source_members(config, *_FIELDS))

    def elaborate(self, platform):
        m = Module()
        config, core, buffers = self.config, self._config, self.buffers
        per_beat = 2 * core.beat_bytes  # half bytes, the unit of value addresses
        beat_bits = per_beat.bit_length() - 1

        row = Signal(16, reset_less=True)
        plane = Signal(8, reset_less=True)
        col = Signal(bits_for_index(core.max_cols), reset_less=True)
        kctx = Signal(8, reset_less=True)
        gctx = Signal(8, reset_less=True)
        chan = Signal(16, reset_less=True)  # in the unit
        unit_chan = Signal(16, reset_less=True)  # of the unit in the pixel
        plane_chan = Signal(chan_width(core), reset_less=True)
        ctx_slot = Signal(slot_width(core), reset_less=True)
        ctx_acc = Signal(acc_addr_width(core), reset_less=True)
        kctx_acc = Signal(acc_addr_width(core), reset_less=True)
        kshift = Signal(8, reset_less=True)
        pixel = Signal(beat_pointer_width(core) + beat_bits)  # address of the pixel; a pass begins where the last one has ended

        address = Signal.like(pixel)
        next_pixel = Signal.like(pixel)
        next_unit = Signal.like(pixel)
        aligned = Cat(Const(0, beat_bits), ((next_pixel + per_beat - 1) >> beat_bits)[: len(buffers.value_freed)])
        step = Signal()
        scanning = Signal()
        available = Signal()
        last_chan = Signal()
        last_gctx = Signal()
        last_kctx = Signal()
        last_unit = Signal()
        last_col = Signal()
        found = self.o_found.payload
        m.d.comb += [
            address.eq(pixel + ((unit_chan + chan) << ~config.in_narrow)),
            next_pixel.eq(pixel + (config.in_pitch << ~config.in_narrow)),
            next_unit.eq(address + Mux(config.in_narrow, 1, 2)),
            available.eq(address[beat_bits:] != buffers.value_written),
            last_unit.eq(unit_chan + config.unit_slots >= config.in_chans),
            last_chan.eq((chan + 1 == config.unit_slots) | (unit_chan + chan + 1 == config.in_chans)),
            last_gctx.eq(gctx + 1 == config.n_gctx),
            last_kctx.eq(kctx + 1 == config.n_kctx),
            last_col.eq(col + 1 == config.n_cols),
            step.eq(scanning & available & self.o_found.ready),
            found.col.eq(col),
            found.chan.eq(plane_chan + unit_chan + chan),
            found.ctx_slot.eq(ctx_slot),
            found.ctx_acc.eq(ctx_acc),
            found.kshift.eq(kshift),
            found.last_group.eq(last_gctx),
            found.first_ctx.eq((gctx == 0) & (kctx == 0)),
            found.nonzero.eq(scanning),
            buffers.value_en.eq(step),
            buffers.value_addr.eq(address),
            buffers.value_narrow.eq(config.in_narrow),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.scanned.eq(1)
                with m.If(self.start):
                    m.d.sync += row.eq(0)
                    m.next = "ROW"
            with m.State("ROW"):
                m.d.comb += self.waiting_row.eq(1)
                m.d.sync += [
                    plane_chan.eq(Mux(config.targeted, -config.gctx_acc, 0)), plane.eq(0), col.eq(0), kctx.eq(0),
                    gctx.eq(0), chan.eq(0), unit_chan.eq(0), ctx_slot.eq(0), ctx_acc.eq(0), kctx_acc.eq(0), kshift.eq(0),
                ]  # fmt: skip
                with m.If(self.go):
                    m.next = "SCAN"
            with m.State("SCAN"):
                m.d.comb += [scanning.eq(1), self.waiting_memory.eq(~available), self.o_found.valid.eq(available)]
                with m.If(step & last_chan & last_gctx & last_kctx & last_unit & last_col & (plane + 1 == config.n_planes)):
                    m.next = "MARK"
            with m.State("MARK"):
                m.d.comb += [self.o_found.valid.eq(1), found.marker.eq(1)]
                with m.If(self.o_found.ready):
                    m.next = "SETTLE"
            with m.State("SETTLE"):
                with m.If(self.settled):
                    m.d.comb += self.row_advance.eq(1)
                    m.d.sync += row.eq(row + 1)
                    m.next = "ROW"
                    with m.If(row + 1 == config.n_rows):
                        m.next = "IDLE"

        with m.If(step):
            m.d.sync += chan.eq(chan + 1)
        with m.If(step & last_chan):
            m.d.sync += [
                chan.eq(0), gctx.eq(gctx + 1), ctx_acc.eq(ctx_acc + config.gctx_acc), ctx_slot.eq(ctx_slot + config.ctx_slots),
            ]  # fmt: skip
        with m.If(step & last_chan & last_gctx):
            next_acc = (kctx_acc + config.kctx_acc)[: len(kctx_acc)]
            m.d.sync += [
                gctx.eq(0), kctx.eq(kctx + 1), kshift.eq(kshift + config.kctx_dr), kctx_acc.eq(next_acc), ctx_acc.eq(next_acc),
            ]  # fmt: skip
        with m.If(step & last_chan & last_gctx & last_kctx):
            m.d.sync += [
                kctx.eq(0), kshift.eq(0), kctx_acc.eq(0), ctx_acc.eq(0), ctx_slot.eq(0),
                unit_chan.eq(unit_chan + config.unit_slots), buffers.value_freed.eq(next_unit[beat_bits:]),
            ]  # fmt: skip
            with m.If(last_unit):
                m.d.sync += [unit_chan.eq(0), col.eq(col + 1), pixel.eq(next_pixel)]
                m.d.sync += buffers.value_freed.eq(next_pixel[beat_bits:])
            with m.If(last_unit & last_col):
                m.d.sync += [
                    col.eq(0), plane.eq(plane + 1), plane_chan.eq(plane_chan + config.plane_slots),
                    pixel.eq(aligned), buffers.value_freed.eq(aligned[beat_bits:]),
                ]  # fmt: skip
        return m
