"""Offsets of the row records of a pass."""

from typing import Any

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.lib.layouts import pass_layout

__all__ = ["WALK_FIELDS", "RecordWalk"]

WALK_FIELDS = ("n_planes", "n_rows", "in_offset", "in_row_stride", "in_plane_stride", "awaits_rows", "rows_awaited")


class RecordWalk(wiring.Component):
    """Offsets of the row records of a pass, rows outside, planes inside.

    Members
    -------
    start, config : see ActReader
    next : advance
    rows_written, all_written : see ActReader
    active, offset : there is another record that may be read, at this byte offset
    done : there is no other record
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "start": In(1), "config": In(pass_layout(*WALK_FIELDS)), "next": In(1),
                "rows_written": In(16), "all_written": In(1), "active": Out(1), "offset": Out(32), "done": Out(1),
            }
        )  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        row_offset = Signal(32, reset_less=True)
        rows_left = Signal(len(config.n_rows))
        planes_left = Signal(len(config.n_planes), reset_less=True)
        last_plane = planes_left == 1
        next_row = (row_offset + config.in_row_stride)[:32]
        awaited = Signal(signed(18), reset_less=True)
        written = ~config.awaits_rows | self.all_written | (awaited <= self.rows_written)
        m.d.comb += [self.active.eq((rows_left != 0) & written), self.done.eq(rows_left == 0)]
        with m.If(self.next):
            m.d.sync += [
                self.offset.eq(Mux(last_plane, next_row, self.offset + config.in_plane_stride)),
                planes_left.eq(Mux(last_plane, config.n_planes, planes_left - 1)),
            ]
            with m.If(last_plane):
                m.d.sync += [row_offset.eq(next_row), rows_left.eq(rows_left - 1), awaited.eq(awaited + 1)]
        with m.If(self.start):
            m.d.sync += [
                self.offset.eq(config.in_offset),
                row_offset.eq(config.in_offset),
                rows_left.eq(config.n_rows),
                planes_left.eq(config.n_planes),
                awaited.eq(config.rows_awaited),
            ]
        return m
