"""Proofs of rtl.counters."""

from amaranth import Array, Cat, Mux, Signal

from quiesce.rtl.core.counters import STRIDE_LOG2, CounterBank
from quiesce.spec.config import preset
from quiesce.spec.performance import Counter
from tests.formal.harness import Harness
from tests.formal.proof import Proof


class Counted(Harness):
    """For every counter and layer, what is read is the sum of the increments that came between flushes to that layer since the
    counters were cleared; a flush takes two cycles per counter and misses no increment."""

    def __init__(self, name: str, **options):
        self.config = preset(name)
        super().__init__(lambda: CounterBank(self.config), **options)

    def describe(self, m):
        dut, n_counters = self.dut, len(self.dut.increments)
        self.free_inputs(m)
        c = self.constant(m, range(n_counters), name="c")
        layer = self.constant(m, len(dut.layer), name="l")
        word = self.one_word(m, "totals", at=Cat(c, Signal(STRIDE_LOG2 - len(c)), layer)[: STRIDE_LOG2 + len(layer)])
        busy, step, to = Signal(), Signal(range(2 * n_counters)), Signal.like(dut.layer)  # a flush, its cycle and its layer
        m.d.comb += [
            self.assume("c exists", c < n_counters), self.assume("clear when idle", ~(dut.clear & busy)),
            self.check("busy", dut.busy == busy),
        ]  # fmt: skip
        take, flush = ~busy & (dut.flush | dut.clear), ~busy & dut.flush & ~dut.clear
        with m.If(flush):
            m.d.sync += [busy.eq(1), step.eq(0), to.eq(dut.layer)]
        with m.If(busy):
            m.d.sync += [step.eq(step + 1), busy.eq(step != 2 * n_counters - 1)]

        live, moved, total = Signal(32), Signal(32), Signal(len(dut.value))
        increment = Array(dut.increments)[c]
        m.d.sync += live.eq(Mux(take, 0, live) + increment)
        adds, mine = busy & (to == layer) & (step == 2 * c + 1), busy & (to == layer)
        with m.If(take):
            m.d.sync += moved.eq(live)
        with m.If(adds):
            m.d.sync += total.eq(total + moved)
        with m.If(dut.clear):
            m.d.sync += total.eq(0)

        names = [Counter(index).name.lower() for index in range(n_counters)]
        own = Array(Cat(self.peek(f"low_{name}"), self.peek(f"high_{name}")) for name in names)[c]
        copy = Array(self.peek(f"copy_{name}") for name in names)[c]
        holds = self.peek("holds").bit_select(layer, 1)
        done = mine & (step > 2 * c + 1)  # this flush has added to the word
        m.d.comb += [
            self.check("live", own == live),
            self.check("moved", ~busy | (copy == moved)),
            self.check("known", Mux(holds | done, word == total, total == 0)),
            self.check("own layer", ~busy | (self.peek("layer") == to)),
            self.check("own counter", ~busy | (self.peek("counter") == step[1:])),
            self.check("own state", self.peek("fsm_state") == Mux(busy, Mux(step[0], 2, 1), 0)),
            self.check("steps", ~busy | (step < 2 * n_counters)),
            self.check("adds to the total", ~adds | (dut.value == total)),
        ]
        asked = Signal(range(3))  # cycles for which this word has been selected while nothing changed
        selects = ~busy & (dut.select == Cat(c, Signal(STRIDE_LOG2 - len(c)), layer))
        m.d.sync += asked.eq(Mux(selects & ~dut.clear & ~flush, Mux(asked == 2, 2, asked + 1), 0))
        with m.If(asked != 0):
            m.d.comb += self.check("value", dut.value == total)


PROOFS = [Proof(Counted, {"name": name}) for name in ("base", "wide", "stream")]
