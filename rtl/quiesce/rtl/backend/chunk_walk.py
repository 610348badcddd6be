"""Order in which groups of partial sums are cut into chunks."""

from typing import Any

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.backend.interfaces import n_slices
from quiesce.rtl.lib.bits import bits_for_index
from quiesce.rtl.lib.layouts import pass_layout
from quiesce.spec.config import CoreConfig

__all__ = ["WALK_FIELDS", "ChunkWalk"]

WALK_FIELDS = ("n_groups", "chunks", "n_out_rows", "n_out_cols")
"""Pass fields of ChunkWalk."""


class ChunkWalk(wiring.Component):
    """Position of the next chunk: its number in the pixel, and its slice of the group of partial sums that it needs.

    Members
    -------
    start, config : see PostProcess
    next : advance to the next chunk
    whole_row : with ``next``, only at the first chunk of a row: advance to the next row
    active : there is a next chunk
    chunk, slice : which one it is; which ``post_units`` entries of the group it takes
    needs_group : it takes some of an existing group, for the last time if ``group_done``
    row_last : it is the last one of an output row
    """

    def __init__(self, config: CoreConfig):
        self._n_slices = n_slices(config)
        super().__init__(
            {
                "start": In(1),
                "config": In(pass_layout(*WALK_FIELDS)),
                "next": In(1),
                "whole_row": In(1),
                "active": Out(1),
                "chunk": Out(12),
                "slice": Out(bits_for_index(self._n_slices)),
                "needs_group": Out(1),
                "group_done": Out(1),
                "row_last": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        groups_left = Signal(16, reset_less=True)
        cols_left = Signal(16, reset_less=True)
        rows_left = Signal(16)

        last_chunk = Signal()
        last_slice = Signal()
        m.d.comb += [
            last_chunk.eq(self.chunk + 1 == config.chunks),
            last_slice.eq(self.slice == self._n_slices - 1),
            self.active.eq(rows_left != 0),
            self.needs_group.eq(groups_left != 0),
            self.group_done.eq(self.needs_group & (last_slice | last_chunk | self.whole_row)),
            self.row_last.eq((last_chunk & (cols_left == 1)) | self.whole_row),
        ]
        with m.If(self.next):
            m.d.sync += [
                self.chunk.eq(Mux(last_chunk | self.whole_row, 0, self.chunk + 1)),
                self.slice.eq(Mux(last_slice | last_chunk | self.whole_row, 0, self.slice + 1)),
                groups_left.eq(Mux(last_chunk | self.whole_row, config.n_groups, groups_left - self.group_done)),
            ]
            with m.If(last_chunk | self.whole_row):
                m.d.sync += cols_left.eq(Mux(self.row_last, config.n_out_cols, cols_left - 1))
            with m.If(self.row_last):
                m.d.sync += rows_left.eq(rows_left - 1)
        with m.If(self.start):
            m.d.sync += [
                self.chunk.eq(0),
                self.slice.eq(0),
                groups_left.eq(config.n_groups),
                cols_left.eq(config.n_out_cols),
                rows_left.eq(config.n_out_rows),
            ]
        return m
