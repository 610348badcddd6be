"""Proofs of rtl.accumulator."""

from amaranth import Array, Mux, Signal

from quiesce.rtl.pe.accumulator import Accumulator
from quiesce.spec.config import preset
from tests.formal.harness import Harness
from tests.formal.proof import Proof


class Accumulated(Harness):
    """For every address and lane, a word that is drained is the sum, modulo 2^acc_width, or the maximum of what was added since
    it was drained last; a drain is granted unless its bank is read by an update."""

    def __init__(self, name: str, maximum: bool, **options):
        self.config, self.maximum = preset(name), maximum
        super().__init__(lambda: Accumulator(self.config), **options)

    def describe(self, m):
        dut, width = self.dut, self.config.acc_width
        self.free_inputs(m, but=("op_max",))
        lane = self.constant(m, range(max(2, self.config.n_lanes)), name="lane")
        k = self.constant(m, len(dut.addr), name="k")  # an address
        banks = [self.one_word(m, f"bank_{bank}", at=k[1:]) for bank in (0, 1)]
        added = Array(dut.sums)[lane].as_unsigned()
        m.d.comb += [dut.op_max.eq(self.maximum), self.assume("lane exists", lane < self.config.n_lanes)]

        total = Signal(width, reset_less=True)  # of address k
        stored, read = Signal(width), Signal(width)  # in the memory, and at its output
        m.d.comb += [
            stored.eq(Array(banks)[k[0]].word_select(lane, width)),
            read.eq(Array(self.peek(f"bank_{bank}", "read_data") for bank in (0, 1))[k[0]].word_select(lane, width)),
        ]
        updates, drains = Signal(), Signal()  # an update or drain of address k was read in the cycle before
        m.d.sync += [updates.eq(dut.update & (dut.addr == k)), drains.eq(dut.drain_grant & (dut.drain_addr == k))]
        with m.If(updates):
            m.d.sync += total.eq(Mux(total > added, total, added) if self.maximum else total + added)
        with m.Elif(drains):
            m.d.comb += self.check("drained", Array(dut.drained)[lane].as_unsigned() == total)
            m.d.sync += total.eq(0)
        update_q, addr_q, drain_q, drain_addr_q = map(self.peek, ("update_q", "addr_q", "drain_q", "drain_addr_q"))
        m.d.comb += [
            self.check("granted", dut.drain_grant == (dut.drain & ~(dut.update & (dut.addr[0] == dut.drain_addr[0])))),
            self.check("stored", stored == total),
            self.check("update under way", (update_q & (addr_q == k)) == updates),
            self.check("drain under way", (drain_q & (drain_addr_q == k)) == drains),
            self.check("different banks", ~(update_q & drain_q) | (addr_q[0] != drain_addr_q[0])),
        ]
        with m.If(updates | drains):
            m.d.comb += self.check("read", read == total)
        if self.maximum:
            m.d.comb += [self.assume("small", ~updates | (added[15:] == 0)), self.check("stays small", total[15:] == 0)]


PROOFS = [Proof(Accumulated, {"name": name, "maximum": maximum}) for name in ("base", "wide") for maximum in (False, True)]
