"""Collects finished partial sums from all PEs, in output order."""

from amaranth import Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.events import acc_addr_width
from quiesce.rtl.layouts import pass_layout
from quiesce.sw.config import CoreConfig

__all__ = ["Drain"]


class Drain(wiring.Component):
    """Walks the output pixels, groups innermost, behind the scan, and hands one word of all lanes per pixel and group on.

    An output row is drained once every PE has finished the last input row that adds to it. Each PE grants its read when its
    accumulator bank is free, so draining costs no compute cycle. Throughput: one group every three cycles if granted at once.
    ``clear`` zeroes all accumulators (``acc_depth`` cycles) and discards what was there.

    Members
    -------
    start : pulse, begin a pass; nothing is drained unless ``config.drain``
    rows_done : input rows finished by every PE
    drain, addr, grant, drained : see PEArray
    o_psums : one word of all lanes
    rows : output rows drained
    done : all rows of the pass are drained, or clearing is over
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        word = data.ArrayLayout(signed(config.acc_width), config.lanes)
        super().__init__(
            {
                "start": In(1),
                "clear": In(1),
                "config": In(
                    pass_layout(
                        "drain", "n_rows", "n_out_rows", "n_out_cols", "n_groups", "n_last_pes", "acc_row_pitch", "acc_col_pitch",
                        "need_first", "need_step",
                    )  # fmt: skip
                ),
                "rows_done": In(16),
                "drain": Out(config.n_pes),
                "addr": Out(acc_addr_width(config)),
                "grant": In(config.n_pes),
                "drained": In(word),
                "o_psums": Out(stream.Signature(word)),
                "rows": Out(16),
                "done": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        core, config = self._config, self.config
        row_base, col_base = (Signal(acc_addr_width(core), reset_less=True) for _ in range(2))
        col, group, need = Signal(16, reset_less=True), Signal(16, reset_less=True), Signal(17, reset_less=True)
        pending, owners = Signal(core.n_pes), Signal(core.n_pes)
        granted = Signal(core.n_pes)

        last_group = group + 1 == config.n_groups
        m.d.comb += [
            owners.eq(Mux(last_group, (Const(1, core.n_pes + 1) << config.n_last_pes) - 1, ~0)),
            self.drain.eq(pending),
            self.addr.eq(col_base + group),
        ]
        m.d.sync += granted.eq(self.grant)
        for n in range(core.n_pes):
            with m.If(granted[n]):
                for lane in range(n * core.n_lanes, (n + 1) * core.n_lanes):
                    m.d.sync += self.o_psums.payload[lane].eq(self.drained[lane])

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.done.eq(~self.start & ~self.clear)
                with m.If(self.clear):
                    m.d.sync += [col_base.eq(0), group.eq(0)]
                    m.next = "CLEAR"
                with m.Elif(self.start):
                    m.d.sync += [
                        row_base.eq(0), col_base.eq(0), col.eq(0), group.eq(0), self.rows.eq(0), need.eq(config.need_first),
                    ]  # fmt: skip
                    with m.If(config.drain):
                        m.next = "WAIT"
            with m.State("CLEAR"):
                m.d.comb += self.drain.eq(~0)
                m.d.sync += col_base.eq(col_base + 1)
                with m.If(col_base == core.acc_depth - 1):
                    m.next = "IDLE"
            with m.State("WAIT"):
                with m.If(self.rows_done >= Mux(need < config.n_rows, need, config.n_rows)):
                    m.d.sync += pending.eq(owners)
                    m.next = "REQUEST"
            with m.State("REQUEST"):
                m.d.sync += pending.eq(pending & ~self.grant)
                with m.If((pending & ~self.grant) == 0):
                    m.next = "LATCH"
            with m.State("LATCH"):  # the words granted last arrive
                m.d.sync += [self.o_psums.valid.eq(1), group.eq(Mux(last_group, 0, group + 1))]
                with m.If(last_group):
                    m.d.sync += [col.eq(col + 1), col_base.eq(col_base + config.acc_col_pitch)]
                m.next = "OFFER"
            with m.State("OFFER"):
                with m.If(self.o_psums.ready):
                    m.d.sync += [self.o_psums.valid.eq(0), pending.eq(owners)]
                    m.next = "REQUEST"
                    with m.If(col == config.n_out_cols):
                        next_row = (row_base + config.acc_row_pitch)[: len(row_base)]
                        m.d.sync += [
                            pending.eq(0), col.eq(0), row_base.eq(next_row), col_base.eq(next_row), self.rows.eq(self.rows + 1),
                            need.eq(need + config.need_step),
                        ]  # fmt: skip
                        m.next = "WAIT"
                        with m.If(self.rows + 1 == config.n_out_rows):
                            m.next = "IDLE"
        return m
