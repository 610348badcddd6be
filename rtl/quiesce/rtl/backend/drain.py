"""Collects finished partial sums from all PEs, in output order."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out, connect, flipped

from quiesce.rtl.backend.interfaces import group_layout, n_slices
from quiesce.rtl.lib.layouts import connect_fields, pass_layout
from quiesce.rtl.pe.interfaces import acc_addr_width
from quiesce.spec.config import CoreConfig

__all__ = ["Drain", "DrainWalk"]

_WALK_FIELDS = (
    "n_rows", "n_out_rows", "n_out_cols", "n_groups", "n_last_pes", "acc_row_pitch", "acc_col_pitch", "need_first", "need_step",
)  # fmt: skip


class DrainWalk(wiring.Component):
    """Order of the drain: rows as they are finished, columns, groups innermost.

    Members
    -------
    start : pulse, begin with the first group
    next : go to the next group
    skip : go to the next row, only with ``row_start``: at the first group of a row
    rows_done : input rows finished by every PE
    due : the present group may be drained
    addr, owners : its accumulator address and the PEs that own a channel of it
    rows : output rows passed
    done : all groups have been passed
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "start": In(1),
                "config": In(pass_layout(*_WALK_FIELDS)),
                "next": In(1),
                "skip": In(1),
                "row_start": Out(1),
                "rows_done": In(16),
                "due": Out(1),
                "addr": Out(acc_addr_width(config)),
                "owners": Out(config.n_pes),
                "rows": Out(16),
                "done": Out(1, init=1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        core, config = self._config, self.config
        row_base = Signal(acc_addr_width(core), reset_less=True)
        col_base = Signal(acc_addr_width(core), reset_less=True)
        col = Signal(16, reset_less=True)
        group = Signal(16, reset_less=True)
        need = Signal(signed(18), reset_less=True)
        last_group, last_col = group + 1 == config.n_groups, col + 1 == config.n_out_cols
        row_end = self.skip | (self.next & last_group & last_col)
        next_row = (row_base + config.acc_row_pitch)[: len(row_base)]
        m.d.comb += [
            self.owners.eq(Mux(last_group, (Const(1, core.n_pes + 1) << config.n_last_pes[: core.n_pes.bit_length()]) - 1, ~0)),
            self.addr.eq(col_base + group),
            self.row_start.eq((col == 0) & (group == 0)),
            self.due.eq(~self.done & (self.rows_done >= Mux(need < config.n_rows, need, config.n_rows))),
        ]
        with m.If(self.start):
            m.d.sync += [
                row_base.eq(0), col_base.eq(0), col.eq(0), group.eq(0), self.rows.eq(0),
                need.eq(config.need_first), self.done.eq(0),
            ]  # fmt: skip
        with m.Else():
            with m.If(self.next):
                m.d.sync += group.eq(group + 1)
                with m.If(last_group):
                    m.d.sync += [group.eq(0), col.eq(col + 1), col_base.eq(col_base + config.acc_col_pitch)]
            with m.If(row_end):
                m.d.sync += [
                    col.eq(0), row_base.eq(next_row), col_base.eq(next_row), self.rows.eq(self.rows + 1),
                    need.eq(need + config.need_step), self.done.eq(self.rows + 1 == config.n_out_rows),
                ]  # fmt: skip
        return m


class Drain(wiring.Component):
    """Walks the output pixels, groups innermost, behind the scan, and hands one word of all lanes per pixel and group on.

    An output row is drained once every PE has finished the last input row that adds to it. Each PE grants its read when its
    accumulator bank is free, so draining costs no compute cycle. Throughput: one group per cycle if granted at once, until two
    words wait for post-processing. ``clear`` zeroes all accumulators (``acc_depth`` cycles) and discards what was there.

    Members
    -------
    start : pulse, begin a pass; nothing is drained unless ``config.drain``
    rows_done : input rows finished by every PE
    drain, addr, grant, drained : see PEArray
    may_skip, known, clean : with state only: rows without changes are left out, but for the first of a pass; see TouchedRows.
        A row that is left out takes two cycles. ``row_left_out`` : pulse
    o_psums : one word of all lanes, see group_layout
    rows : output rows drained
    done : the accumulators of the pass are all read, or cleared
    """

    WORDS = 2  # that may wait for post-processing

    def __init__(self, config: CoreConfig):
        self._config = config
        word = data.ArrayLayout(signed(config.acc_width), config.lanes)
        super().__init__(
            {
                "start": In(1),
                "clear": In(1),
                "config": In(pass_layout("drain", *_WALK_FIELDS)),
                "rows_done": In(16),
                "drain": Out(config.n_pes),
                "addr": Out(acc_addr_width(config)),
                "grant": In(config.n_pes),
                "drained": In(word),
                "o_psums": Out(stream.Signature(group_layout(config))),
                "rows": Out(16),
                "done": Out(1),
                **({"may_skip": In(1), "known": In(1), "clean": In(1), "row_left_out": Out(1)} if config.state_depth else {}),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        core = self._config
        word = data.ArrayLayout(signed(core.acc_width), core.lanes)
        m.submodules.walk = walk = DrainWalk(core)
        m.submodules.words = words = SyncFIFO(width=group_layout(core).size, depth=self.WORDS)
        connect_fields(m.d.comb, walk.config, self.config)
        connect(m, words.r_stream, flipped(self.o_psums))

        clearing = Signal()
        clear_addr = Signal(acc_addr_width(core))
        served = Signal(core.n_pes)  # PEs that have granted the present group
        granted = Signal(core.n_pes)  # last cycle's grants
        complete = Signal()  # they were the last of a group
        held = Signal(word, reset_less=True)
        arrived = Signal(word)
        used = Signal(n_slices(core), reset_less=True)
        wanted = Signal(core.n_pes)
        room = Signal()
        ready = Signal()  # to drain the present group
        m.d.comb += [
            room.eq(words.level + complete < self.WORDS),
            ready.eq(walk.due & room),
            wanted.eq(Mux(ready, walk.owners & ~served, 0)),
            self.drain.eq(Mux(clearing, ~0, wanted)),
            self.addr.eq(Mux(clearing, clear_addr, walk.addr)),
            walk.start.eq(self.start & self.config.drain),
            walk.rows_done.eq(self.rows_done),
            walk.next.eq(ready & ((wanted & ~self.grant) == 0)),
            words.w_en.eq(complete),
            self.rows.eq(walk.rows),
            self.done.eq(walk.done & ~complete & ~clearing & ~self.start & ~self.clear),
        ]
        grants = Signal(core.n_pes)
        m.d.comb += grants.eq(Mux(clearing, 0, self.grant))
        m.d.sync += complete.eq(walk.next | walk.skip)
        skipped = self._skip(m, walk, room, ready) if core.state_depth else ()
        m.d.comb += words.w_data.eq(Cat(arrived, used, *skipped))
        with m.If(grants.any() | granted.any()):
            m.d.sync += granted.eq(grants)
        with m.If(walk.next | grants.any()):
            m.d.sync += served.eq(Mux(walk.next, 0, served | grants))
        with m.If(walk.next):
            owned = Cat(owner.replicate(core.n_lanes) for owner in walk.owners)
            m.d.sync += used.eq(Cat(owned.word_select(index, core.post_units).any() for index in range(len(used))))
        for n in range(core.n_pes):
            for lane in range(n * core.n_lanes, (n + 1) * core.n_lanes):
                m.d.comb += arrived[lane].eq(Mux(granted[n], self.drained[lane], held[lane]))
                with m.If(granted[n] & ~complete):
                    m.d.sync += held[lane].eq(self.drained[lane])

        with m.If(self.clear):
            m.d.sync += [clearing.eq(1), clear_addr.eq(0)]
        with m.Elif(clearing):
            m.d.sync += [clear_addr.eq(clear_addr + 1), clearing.eq(clear_addr != core.acc_depth - 1)]
        return m

    def _skip(self, m: Module, walk: DrainWalk, room: Signal, ready: Signal) -> tuple[Signal]:
        """Leave clean rows out; returns whether the word that is complete stands for one."""
        skipped = Signal()
        looks = self.may_skip & walk.row_start & (walk.rows != 0)
        m.d.comb += walk.skip.eq(walk.due & room & looks & self.known & self.clean)
        with m.If(looks & (~self.known | self.clean)):
            m.d.comb += ready.eq(0)
        m.d.comb += self.row_left_out.eq(walk.skip)
        m.d.sync += skipped.eq(walk.skip)
        return (skipped,)
