"""Proofs of rtl.broadcast."""

from amaranth import Signal

from quiesce.rtl.lib.broadcast import Broadcast
from quiesce.spec.config import preset
from tests.formal.fifos import follow
from tests.formal.harness import Harness
from tests.formal.proof import Proof
from tests.formal.rules import stream_held


class ToAll(Harness):
    """Every beat goes to every output once, unchanged and in order, and is taken once all have taken it."""

    def __init__(self, n_outputs: int, **options):
        self.n_outputs = n_outputs
        super().__init__(lambda: Broadcast(preset("base"), n_outputs), **options)

    def describe(self, m):
        dut, beat = self.dut, self.dut.i_beats
        self.free_inputs(m)
        stream_held(self, m, beat, "i_beats", assume=True)
        done = Signal(self.n_outputs)  # who has taken the beat offered
        puts = Signal(self.n_outputs)
        taken = beat.valid & beat.ready
        for i in range(self.n_outputs):
            out = getattr(dut, f"o_beats_{i}")
            stream_held(self, m, out, f"o_beats_{i}")
            m.d.comb += puts[i].eq(self.peek(f"fifo_{i}", "put"))
            follow(
                self, m, f"output_{i}", f"fifo_{i}", kind="RamFifo", rows=dut.DEPTH - 1, put=puts[i], value=beat.payload,
                valid=out.valid, take=out.valid & out.ready, taken=out.payload,
            )  # fmt: skip
        m.d.sync += done.eq((done | puts) & ~taken.replicate(self.n_outputs))
        m.d.comb += [
            self.check("once", (puts & done) == 0),
            self.check("all", ~taken | (puts | done).all()),
            self.check("only offered", beat.valid | ~puts.any()),
            self.check("no waiting", taken | ~beat.valid | ~(puts | done).all()),
            self.check("own count", self.peek("taken") == done),
        ]


PROOFS = [Proof(ToAll, {"n_outputs": 2}), Proof(ToAll, {"n_outputs": 4}, quick=False)]
