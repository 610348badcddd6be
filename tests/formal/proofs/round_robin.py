"""Proofs of rtl.round_robin."""

from amaranth import Array, Signal

from quiesce.rtl.bus.round_robin import RoundRobin
from quiesce.spec.config import preset
from tests.formal.harness import Harness
from tests.formal.proof import Proof
from tests.formal.rules import stream_held


class Fair(Harness):
    """At most one master is granted in a cycle, none waits for more than all others once, and bursts pass unchanged."""

    def __init__(self, n_masters: int, **options):
        super().__init__(lambda: RoundRobin(preset("tiny"), n_masters), **options)
        self.n_masters = n_masters

    def describe(self, m):
        dut, n = self.dut, self.n_masters
        self.free_inputs(m)
        masters = [getattr(dut, f"i_burst_{i}") for i in range(n)]
        grants, wants = Signal(n), Signal(n)
        for i, burst in enumerate(masters):
            stream_held(self, m, burst, f"burst_{i}", assume=True)
            m.d.comb += [grants[i].eq(burst.valid & burst.ready), wants[i].eq(burst.valid)]
        stream_held(self, m, dut.o_bursts, "o_bursts")
        m.d.comb += [
            self.check("one grant", (grants & (grants - 1)) == 0),
            self.check("accepted", dut.accepted == grants.any()),
            self.check("none while disabled", dut.enable | ~grants.any()),
            self.check("work conserving", grants.any() | ~wants.any() | ~dut.enable | (dut.o_bursts.valid & ~dut.o_bursts.ready)),
        ]

        k = self.constant(m, range(n), name="k")
        m.d.comb += self.assume("k exists", k < n)
        granted, waited = grants.bit_select(k, 1), Signal(range(n + 1))
        with m.If(~wants.bit_select(k, 1) | granted):
            m.d.sync += waited.eq(0)
        with m.Elif(dut.accepted):
            m.d.sync += waited.eq(waited + 1)
        m.d.comb += self.check("fair", waited < n)
        with m.If(granted):
            m.d.comb += self.check("owner", dut.owner == k)

        # A full throughput register: valid exactly after a grant or while it waits.
        was_granted, was_waiting = Signal(), Signal()
        sent = Signal(len(masters[0].payload.as_value()))
        out = dut.o_bursts.payload
        m.d.sync += [
            was_granted.eq(granted), was_waiting.eq(dut.o_bursts.valid & ~dut.o_bursts.ready),
            sent.eq(Array([burst.payload.as_value() for burst in masters])[k]),
        ]  # fmt: skip
        any_granted = Signal()
        m.d.sync += any_granted.eq(dut.accepted)
        m.d.comb += self.check("valid", dut.o_bursts.valid == (any_granted | was_waiting))
        with m.If(was_granted):
            m.d.comb += self.check("payload", (out.owner == k) & (out.burst.as_value() == sent))


PROOFS = [Proof(Fair, {"n_masters": n}) for n in (2, 3, 8)]
