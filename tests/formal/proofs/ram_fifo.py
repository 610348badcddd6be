"""Proofs of rtl.ram_fifo."""

from quiesce.rtl.lib.ram_fifo import RamFifo
from tests.formal.fifos import follow
from tests.formal.harness import Harness
from tests.formal.proof import Proof
from tests.formal.rules import stream_held


class Fifo(Harness):
    """Words come out once, unchanged and in order; it takes a word unless it holds ``depth``, and gives one within two cycles."""

    def __init__(self, width: int, depth: int, **options):
        self.rows = depth - 1
        super().__init__(lambda: RamFifo(width, depth), **options)

    def describe(self, m):
        dut = self.dut
        self.free_inputs(m)
        stream_held(self, m, dut.o_words, "o_words")
        put = dut.i_words.valid & dut.i_words.ready
        order = follow(
            self, m, "fifo", kind="RamFifo", rows=self.rows, put=put, value=dut.i_words.payload, valid=dut.o_words.valid,
            take=dut.o_words.valid & dut.o_words.ready, taken=dut.o_words.payload,
        )  # fmt: skip
        m.d.comb += self.check("empty", dut.empty == (order.inside == 0))


PROOFS = [Proof(Fifo, {"width": width, "depth": depth}) for width, depth in ((64, 32), (64, 64), (128, 128))]
