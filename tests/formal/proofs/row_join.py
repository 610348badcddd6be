"""Proofs of rtl.row_join."""

from amaranth import Cat

from quiesce.rtl.pe.row_join import RowJoin
from quiesce.spec.config import preset
from tests.formal.harness import Harness
from tests.formal.proof import Proof
from tests.formal.rules import tally

MOST_AHEAD = 8  # rows of a PE before those of the last one
UNDER_WAY = 16  # rows begun in a PE and not finished: marks of PsumRegisters, walker and lanes


class Joined(Harness):
    """A row is done once in every PE exactly when all PEs have finished it, and none is forgotten; a PE
    is held from `MOST_AHEAD` rows on."""

    def __init__(self, n_pes: int, **options):
        super().__init__(lambda: RowJoin(preset("base", n_pes=n_pes, post_units=1)), **options)
        self.n_pes = n_pes

    def describe(self, m):
        dut = self.dut
        self.free_inputs(m)
        finished = []
        for n in range(self.n_pes):
            begin = self.free(name=f"begin_{n}")
            under_way = tally(m, begin, dut.finished[n], width=6, name=f"under_way_{n}")
            ahead = tally(m, dut.finished[n], dut.row_done, width=8, name=f"finished_{n}")
            m.d.comb += [
                self.assume(f"hold {n}", ~(begin & dut.hold[n])),
                self.assume(f"finished {n}", ~(dut.finished[n] & (under_way == 0))),
                self.assume(f"under way {n}", under_way <= UNDER_WAY),
                self.check(f"bounded {n}", ahead + under_way < MOST_AHEAD + UNDER_WAY + 1),
                self.check(f"not early {n}", ~dut.row_done | (ahead != 0)),
                self.check(f"holds {n}", dut.hold[n] == (ahead >= MOST_AHEAD)),
            ]
            finished.append(ahead != 0)
        m.d.comb += self.check("not late", dut.row_done | ~Cat(finished).all())


PROOFS = [Proof(Joined, {"n_pes": n}) for n in (4, 16)]
