"""Rows, planes and contexts of a scan, whatever is stepped through within a context."""

from typing import Any

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import data, wiring

from quiesce.rtl.lib.bits import bits_for_index
from quiesce.rtl.pe.interfaces import acc_addr_width, chan_width, slot_width
from quiesce.spec.config import CoreConfig

__all__ = ["ORDER_FIELDS", "ScanOrder"]

ORDER_FIELDS = (
    "n_kctx", "n_gctx", "n_planes", "n_rows", "kctx_dr", "kctx_acc", "gctx_acc", "ctx_slots", "plane_slots", "unit_slots",
    "targeted",
)  # fmt: skip
"""Pass fields that it depends on."""


class ScanOrder:
    """Registers of the component that scans, and their steps: rows, planes, units, contexts, innermost what it scans in these.

    A *unit* is scanned once per context before the next one; of its contexts, those of output groups lie inside those of kernel
    rows. At the end of a row comes a row end, and the pipeline behind runs empty before ``row_advance``.

    The component calls `begin` and `end` for the states of its FSM around "SCAN" and "ROW END", which are its own, and the others
    where it is done with a context and with the last unit of a plane.

    Parameters
    ----------
    core : CoreConfig
    config : view of a layout
        The pass's ORDER_FIELDS.
    chan_bits : int
        Of the channel of a unit within its plane.
    first_slot : Value or int
        Slot of the first context.
    """

    def __init__(self, core: CoreConfig, config: data.View, *, chan_bits: int, first_slot: Value | int = 0):
        self.config, self.first_slot = config, first_slot
        self.row = Signal(16, reset_less=True)
        self.plane = Signal(8, reset_less=True)
        self.col = Signal(bits_for_index(core.max_cols), reset_less=True)
        self.kctx = Signal(8, reset_less=True)
        self.gctx = Signal(8, reset_less=True)
        self.plane_chan = Signal(chan_width(core), reset_less=True)
        self.unit_chan = Signal(chan_bits, reset_less=True)
        self.ctx_slot = Signal(slot_width(core), reset_less=True)
        self.ctx_acc = Signal(acc_addr_width(core), reset_less=True)
        self.kctx_acc = Signal(acc_addr_width(core), reset_less=True)
        self.kshift = Signal(8, reset_less=True)
        self.last_gctx = Signal()
        self.last_kctx = Signal()

    @property
    def first_ctx(self) -> Value:
        """Whether the context is the first of its unit."""
        return (self.gctx == 0) & (self.kctx == 0)

    @property
    def last_plane(self) -> Value:
        """Whether the plane is the last of its row."""
        return self.plane + 1 == self.config.n_planes

    def context_of(self, place: data.View) -> list[Any]:
        """Assignments of the column and the context to the fields of ``place`` (see place_fields)."""
        return [
            place.col.eq(self.col),
            place.ctx_slot.eq(self.ctx_slot),
            place.ctx_acc.eq(self.ctx_acc),
            place.kshift.eq(self.kshift),
            place.last_group.eq(self.last_gctx),
            place.first_ctx.eq(self.first_ctx),
        ]

    def begin(self, m: Module, ports: wiring.Component, restart: list[Any]) -> None:
        """Add the states in front of "SCAN"; ``restart`` are assignments to the component's own registers, before a row.

        ``ports`` has those of the component: ``start``, ``scanned``, ``waiting_row``, ``go`` (see source_ports.source_members).
        """
        config = self.config
        m.d.comb += [self.last_gctx.eq(self.gctx + 1 == config.n_gctx), self.last_kctx.eq(self.kctx + 1 == config.n_kctx)]
        with m.State("IDLE"):
            m.d.comb += ports.scanned.eq(1)
            with m.If(ports.start):
                m.d.sync += self.row.eq(0)
                m.next = "ROW"
        with m.State("ROW"):
            m.d.comb += ports.waiting_row.eq(1)
            m.d.sync += [
                self.plane_chan.eq(Mux(config.targeted, -config.gctx_acc, 0)), self.plane.eq(0), self.col.eq(0),
                self.unit_chan.eq(0), *restart,
            ]  # fmt: skip
            self._first_context(m)
            with m.If(ports.go):
                m.next = "SCAN"

    def end(self, m: Module, ports: wiring.Component, settled: Value) -> None:
        """Add the state behind "ROW END": another row, or the end of the pass, once the pipeline is ``settled``."""
        with m.State("SETTLE"):
            with m.If(settled):
                m.d.comb += ports.row_advance.eq(1)
                m.d.sync += self.row.eq(self.row + 1)
                m.next = "ROW"
                with m.If(self.row + 1 == self.config.n_rows):
                    m.next = "IDLE"

    def _first_context(self, m: Module) -> None:
        m.d.sync += [
            self.kctx.eq(0), self.gctx.eq(0), self.kshift.eq(0), self.kctx_acc.eq(0), self.ctx_acc.eq(0),
            self.ctx_slot.eq(self.first_slot),
        ]  # fmt: skip

    def next_context(self, m: Module) -> None:
        """To the next context of the unit, or the first one of the next unit (then ``last_gctx & last_kctx``)."""
        config = self.config
        m.d.sync += [
            self.gctx.eq(self.gctx + 1), self.ctx_acc.eq(self.ctx_acc + config.gctx_acc),
            self.ctx_slot.eq(self.ctx_slot + config.ctx_slots),
        ]  # fmt: skip
        with m.If(self.last_gctx):
            m.d.sync += [
                self.gctx.eq(0), self.kctx.eq(self.kctx + 1), self.kshift.eq(self.kshift + config.kctx_dr),
                self.kctx_acc.eq(self.kctx_acc + config.kctx_acc), self.ctx_acc.eq(self.kctx_acc + config.kctx_acc),
            ]  # fmt: skip
        with m.If(self.last_gctx & self.last_kctx):
            self._first_context(m)
            m.d.sync += self.unit_chan.eq(self.unit_chan + config.unit_slots)

    def next_plane(self, m: Module) -> None:
        """To the first column of the next plane."""
        m.d.sync += [
            self.col.eq(0), self.plane.eq(self.plane + 1), self.plane_chan.eq(self.plane_chan + self.config.plane_slots),
        ]  # fmt: skip
