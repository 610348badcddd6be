"""Proofs of rtl.row_tracker."""

from amaranth import Mux, Signal

from quiesce.rtl.core.row_tracker import RowTracker
from tests.formal.harness import Harness
from tests.formal.proof import Proof


class InMemory(Harness):
    """No row is reported before each of its bursts is answered, and every row is soon after the last one; ``older_done`` is true
    exactly when all bursts from before the pass are answered."""

    def __init__(self, burst_bits: int, **options):
        self.burst_bits = burst_bits
        super().__init__(lambda: RowTracker(burst_bits), **options)

    def describe(self, m):
        dut = self.dut
        take, closes, start = (self.free(name=name) for name in ("take", "closes", "start"))
        shows, answered = self.free(name="shows"), self.free(name="answered")
        n_open, still_open = Signal(self.burst_bits), Signal(self.burst_bits)
        handed, shown = Signal(16), Signal(16)  # rows of which all bursts are taken, and what the encoder says of them
        starting = Signal()
        m.d.comb += [
            still_open.eq(n_open - answered),
            dut.start.eq(start), dut.open_bursts.eq(n_open), dut.answered.eq(answered),
            dut.rows_handed.eq(Mux(start | starting, self.free(16, name="before"), shown)),
            self.assume("answers", ~answered | (n_open != 0)),
            self.assume("bursts", ~take | (n_open < (1 << self.burst_bits) - 1)),
            self.assume("nothing is handed on at the start", ~((start | starting) & take) & ~(start & starting)),
            self.assume("no more than 65535 rows", handed < 0xFFFF),
        ]  # fmt: skip
        m.d.sync += [starting.eq(start), n_open.eq(still_open + take), handed.eq(handed + (take & closes))]

        # The last burst of row r: how many are answered before it, and whether it is.
        r = self.constant(m, 16, name="r")
        under_way, ahead, done = Signal(), Signal(self.burst_bits), Signal()
        with m.If(take & closes & (handed == r)):
            m.d.sync += [under_way.eq(1), ahead.eq(still_open)]
        with m.Elif(under_way & answered):
            m.d.sync += [ahead.eq(ahead - 1), under_way.eq(ahead != 0), done.eq(ahead == 0)]
        with m.If(shows):
            m.d.sync += shown.eq(handed)
        with m.If(start):
            m.d.sync += [handed.eq(0), shown.eq(0), under_way.eq(0), done.eq(0)]
        left, marked = self.peek("left"), self.peek("marked")
        m.d.comb += [
            self.check("in memory", (dut.rows <= r) | done),
            self.check("marked", (marked <= r) | done | (under_way & (ahead < left))),
            self.check("left", left <= n_open),
            self.check("under way", ~under_way | (ahead < n_open)),
            self.check("once", ~(under_way & done)),
            self.check("handed", (handed > r) == (done | under_way)),
            self.check("shown", shown <= handed),
        ]
        older = Signal(self.burst_bits)
        with m.If(start):
            m.d.sync += older.eq(still_open)
        with m.Elif(answered & (older != 0)):
            m.d.sync += older.eq(older - 1)
        m.d.comb += [self.check("older", dut.older_done == (older == 0)), self.check("same older", self.peek("older") == older)]

        quiet = Signal(range(4))  # cycles in which nothing was open and nothing new was shown
        m.d.sync += quiet.eq(Mux((still_open != 0) | take | shows | start, 0, Mux(quiet == 3, 3, quiet + 1)))
        with m.If(starting):
            m.d.comb += self.check("just begun", (quiet == 0) & (dut.rows == 0) & (marked == 0))
        with m.If(quiet >= 1):
            m.d.comb += self.check("nothing open", n_open == 0)
        with m.If(quiet >= 2):
            m.d.comb += self.check("all marked", marked == shown)
        with m.If(quiet == 3):
            m.d.comb += self.check("reported", dut.rows == shown)


PROOFS = [Proof(InMemory, {"burst_bits": 5})]
