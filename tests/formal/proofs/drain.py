"""Proofs of rtl.drain."""

from amaranth import Mux, Signal, signed

from quiesce.rtl.backend.drain import Drain
from quiesce.spec.config import preset
from tests.formal.fifos import follow
from tests.formal.harness import Harness
from tests.formal.proof import Proof
from tests.formal.rules import stable, stream_held


class Drained(Harness):
    """Each group of each output pixel is read once from every PE that owns a channel of it, at its own address and only when its
    input rows are finished; its word holds what these PEs gave, and words leave in order."""

    def __init__(self, name: str, **options):
        self.config = preset(name)
        super().__init__(lambda: Drain(self.config), **options)

    def describe(self, m):
        dut, core, config = self.dut, self.config, self.dut.config
        self.free_inputs(m)
        stream_held(self, m, dut.o_psums, "o_psums")
        # The walk: pixels of a row, rows; groups innermost.
        active, due, step = Signal(), Signal(), Signal()
        row_base, col_base = Signal(len(dut.addr)), Signal(len(dut.addr))
        group, col, row, need = Signal(16), Signal(16), Signal(16), Signal(signed(18))
        stable(self, m, config.as_value(), "config", when=active & ~dut.start)
        last_group, last_col = group + 1 == config.n_groups, col + 1 == config.n_out_cols
        next_row = (row_base + config.acc_row_pitch)[: len(row_base)]
        with m.If(step):
            m.d.sync += group.eq(group + 1)
            with m.If(last_group):
                m.d.sync += [group.eq(0), col.eq(col + 1), col_base.eq(col_base + config.acc_col_pitch)]
                with m.If(last_col):
                    m.d.sync += [
                        col.eq(0), col_base.eq(next_row), row_base.eq(next_row), row.eq(row + 1),
                        need.eq(need + config.need_step), active.eq(row + 1 != config.n_out_rows),
                    ]  # fmt: skip
        with m.If(dut.start & config.drain):
            m.d.sync += [
                active.eq(1), row_base.eq(0), col_base.eq(0), group.eq(0), col.eq(0), row.eq(0),
                need.eq(config.need_first.as_signed()),
            ]  # fmt: skip
        clearing, clear_addr = Signal(), Signal(len(dut.addr))
        m.d.sync += clearing.eq(dut.clear | (clearing & (clear_addr != core.acc_depth - 1)))
        m.d.sync += clear_addr.eq(Mux(dut.clear, 0, clear_addr + clearing))
        m.d.comb += [
            due.eq(active & ((dut.rows_done >= need) | (dut.rows_done >= config.n_rows))),
            self.assume("pe grants", (dut.grant & ~dut.drain) == 0),
            self.assume("start when done", ~dut.start | ~active),
            self.assume("no clear while draining", ~(dut.clear | clearing) | ~(active | dut.start)),
            self.check("rows", dut.rows == row),
            self.check("clearing", self.peek("clearing") == clearing),
            self.check("clear address", ~clearing | (self.peek("clear_addr") == clear_addr)),
        ]

        # One PE and one of its lanes.
        n = self.constant(m, range(core.n_pes), name="n")
        lane = self.constant(m, range(max(2, core.n_lanes)), name="lane")
        m.d.comb += [self.assume("pe exists", n < core.n_pes), self.assume("lane exists", lane < core.n_lanes)]
        n_last = config.n_last_pes[: core.n_pes.bit_length()]
        owns = ~last_group | (n < n_last)
        grant, asks = dut.grant.bit_select(n, 1) & ~clearing, dut.drain.bit_select(n, 1) & ~clearing
        got, was_granted, value, now = Signal(), Signal(), Signal(core.acc_width), Signal(core.acc_width)
        m.d.comb += now.eq(dut.drained.as_value().word_select(n * core.n_lanes + lane, core.acc_width))
        m.d.sync += [got.eq((got | grant) & ~step), was_granted.eq(grant)]
        with m.If(was_granted):
            m.d.sync += value.eq(now)
        with m.If(asks):
            m.d.comb += [
                self.check("address", dut.addr == (col_base + group)[: len(dut.addr)]),
                self.check("only when due", due), self.check("only owners", owns), self.check("once", ~got),
            ]  # fmt: skip
        with m.If(clearing):
            m.d.comb += self.check("clears everything", dut.drain.all() & (dut.addr == clear_addr))
        m.d.comb += step.eq(self.peek("next"))
        with m.If(step):
            m.d.comb += self.check("all owners have given", got | grant | ~owns)
        self.words(m, step, owns, got, was_granted, value, now, n * core.n_lanes + lane)
        walk = {name: self.peek("walk", name) for name in ("row_base", "col_base", "group", "col", "need")}
        m.d.comb += [
            self.check("own walk", self.peek("walk", "done") == ~active),
            self.check("done", ~dut.done | ~(active | clearing)),
            self.check("served", (self.peek("served").bit_select(n, 1) == got) & (active | ~got)),
            self.check("granted", self.peek("granted").bit_select(n, 1) == was_granted),
        ]
        with m.If(active):
            m.d.comb += [
                self.check("own place", (walk["row_base"] == row_base) & (walk["col_base"] == col_base)),
                self.check("own indices", (walk["group"] == group) & (walk["col"] == col)),
                self.check("own need", walk["need"].as_signed() == need),
            ]

    def words(self, m, step, owns, got, was_granted, value, now, entry):
        """A cycle after a group's last grant its word goes into the queue."""
        dut, core = self.dut, self.config
        completes, owned, expected = Signal(), Signal(), Signal(core.acc_width)
        m.d.sync += [completes.eq(step), owned.eq(owns)]
        m.d.comb += expected.eq(Mux(was_granted, now, value))
        queued = self.peek("w_data")
        used = queued[core.lanes * core.acc_width :]
        m.d.comb += [
            self.check("a word for each group", self.peek("complete") == completes),
            self.check("the next group begins", ~(completes & got)),
        ]
        with m.If(completes & owned):
            m.d.comb += [
                self.check("value", queued.word_select(entry, core.acc_width) == expected),
                self.check("used", used.bit_select(entry >> (core.post_units.bit_length() - 1), 1)),
            ]
        with m.If(~was_granted):
            held = self.peek("held").word_select(entry, core.acc_width)
            m.d.comb += self.check("held", ~(got | (completes & owned)) | (held == value))
        take = dut.o_psums.valid & dut.o_psums.ready
        order = follow(
            self, m, "words", "words", kind="SyncFIFO", rows=dut.WORDS, put=completes, value=queued, valid=dut.o_psums.valid,
            take=take, taken=dut.o_psums.payload,
        )  # fmt: skip
        m.d.comb += self.check("room", order.inside + completes <= dut.WORDS)


PROOFS = [Proof(Drained, {"name": "base"})]
