"""Proofs of rtl.interconnect."""

from amaranth import Array, Cat, Mux, Signal

from quiesce.rtl.bus.interconnect import ReadInterconnect, WriteInterconnect
from quiesce.rtl.lib.bits import popcount
from quiesce.spec.config import preset
from tests.formal.fifos import follow
from tests.formal.harness import Harness
from tests.formal.proof import Proof
from tests.formal.rules import held_bits


def addresses(harness: Harness, m, axi, masters, channel: str) -> None:
    """Bursts of the masters go out one by one as they came, with their master's index; no address changes while it waits, and no
    master waits for more than all others once."""

    def fields(port, *names):
        return [getattr(port, channel + name) for name in names]

    for i, master in enumerate(masters):
        held_bits(harness, m, f"{channel}_{i}", *fields(master, "valid", "ready", "addr", "len"), assume=True)
    held_bits(harness, m, channel, *fields(axi, "valid", "ready", "addr", "len", "id", "size", "burst"))
    k = harness.constant(m, range(len(masters)), name="k")
    given = [Cat(*fields(master, "addr", "len")) for master in masters]
    grants = Cat(getattr(master, f"{channel}valid") & getattr(master, f"{channel}ready") for master in masters)
    was_granted, was_any, was_waiting, burst = Signal(), Signal(), Signal(), Signal(len(given[0]))
    valid, ready = fields(axi, "valid", "ready")
    m.d.sync += [
        was_granted.eq(grants.bit_select(k, 1)),
        was_any.eq(grants.any()),
        was_waiting.eq(valid & ~ready),
        burst.eq(Array(given)[k]),
    ]
    m.d.comb += [
        harness.assume("k exists", k < len(masters)),
        harness.check("one grant", (grants & (grants - 1)) == 0),
        harness.check("every burst", valid == (was_any | was_waiting)),
    ]
    granted, waited = grants.bit_select(k, 1), Signal(range(len(masters) + 1))
    with m.If(~Cat(getattr(master, f"{channel}valid") for master in masters).bit_select(k, 1) | granted):
        m.d.sync += waited.eq(0)
    with m.Elif(grants.any()):
        m.d.sync += waited.eq(waited + 1)
    # Masters whose turn is before that of k: after the one served last come those behind it, then all from the first one on.
    behind, below, turns = harness.peek("bursts", "behind"), Signal(len(masters)), Signal(range(2 * len(masters)))
    m.d.comb += [
        below.eq((1 << k) - 1),
        turns.eq(Mux(behind.bit_select(k, 1), popcount(behind & below), popcount(behind) + popcount(~behind & below))),
        harness.check("fair", waited < len(masters)),
        harness.check("turns", (waited == 0) | (waited + turns < len(masters))),
        harness.check("behind the last", (~behind & (~behind + 1)[: len(masters)]) == 0),
    ]
    with m.If(was_granted):
        m.d.comb += harness.check("burst", (Cat(*fields(axi, "addr", "len")) == burst) & (getattr(axi, f"{channel}id") == k))


class Reads(Harness):
    """Addresses go out as they came, of each master in its turn, and each beat goes once, in order and unchanged, to the master
    whose index it bears."""

    def __init__(self, n_masters: int, **options):
        self.n_masters = n_masters
        super().__init__(lambda: ReadInterconnect(preset("base"), n_masters), **options)

    def describe(self, m):
        dut, axi = self.dut, self.dut.axi
        self.free_inputs(m)
        masters = [getattr(dut, f"master_{i}") for i in range(self.n_masters)]
        addresses(self, m, axi, masters, "ar")
        valid = Cat(master.rvalid for master in masters)
        takes = Cat(master.rvalid & master.rready for master in masters)
        receiver = Signal(range(self.n_masters))
        for i in range(self.n_masters):
            with m.If(valid[i]):
                m.d.comb += receiver.eq(i)
        first = masters[0]
        waits = self.peek("beats", "r_rdy")
        order = follow(
            self, m, "beats", "beats", kind="SyncFIFO", rows=2, put=axi.rvalid & axi.rready,
            value=Cat(axi.rid, axi.rdata, axi.rresp, axi.rlast), valid=waits, take=takes.any(),
            taken=Cat(receiver, first.rdata, first.rresp, first.rlast),
        )  # fmt: skip
        m.d.comb += [
            self.check("shown", valid.any() | ~(waits & order.followed & (order.ahead == 0))),
            self.assume("own identifiers", ~axi.rvalid | (axi.rid < self.n_masters)),
            self.check("one master", (valid & (valid - 1)) == 0),
        ]
        for i, master in enumerate(masters):
            held_bits(self, m, f"r_{i}", master.rvalid, master.rready, master.rdata, master.rresp, master.rlast)


class Writes(Harness):
    """Addresses go out as they came, of each master in its turn; the beats of a master go out when it is its burst's turn, in the
    order of the bursts, up to the last beat of each; responses go to the master whose index they bear."""

    def __init__(self, n_masters: int, **options):
        self.n_masters = n_masters
        super().__init__(lambda: WriteInterconnect(preset("base"), n_masters), **options)

    def describe(self, m):
        dut, axi = self.dut, self.dut.axi
        self.free_inputs(m)
        masters = [getattr(dut, f"master_{i}") for i in range(self.n_masters)]
        addresses(self, m, axi, masters, "aw")
        head, turn = self.peek("order", "r_data"), self.peek("order", "r_rdy")
        grants = Cat(master.awvalid & master.awready for master in masters)
        owner = Signal(range(self.n_masters))
        for i in range(self.n_masters):
            with m.If(grants[i]):
                m.d.comb += owner.eq(i)
        order = follow(
            self, m, "turns", "order", kind="SyncFIFO", rows=dut.OUTSTANDING, put=grants.any(), value=owner, valid=turn,
            take=axi.wvalid & axi.wready & axi.wlast, taken=head,
        )  # fmt: skip
        m.d.comb += self.check("turn", turn == (order.inside != 0))
        for i, master in enumerate(masters):
            held_bits(self, m, f"w_{i}", master.wvalid, master.wready, master.wdata, master.wstrb, master.wlast, assume=True)
            m.d.comb += self.check(f"only in its turn {i}", master.wready == (turn & (head == i) & axi.wready))
            m.d.comb += self.check(f"response {i}", master.bvalid == (axi.bvalid & (axi.bid == i)))
            m.d.comb += self.check(f"response code {i}", master.bresp == axi.bresp)
            with m.If(turn & (head == i)):
                beats = [Cat(port.wvalid, port.wdata, port.wstrb, port.wlast) for port in (axi, master)]
                m.d.comb += self.check(f"beats {i}", beats[0] == beats[1])
        m.d.comb += [self.check("nobody's beats", turn | ~axi.wvalid), self.check("takes responses", axi.bready)]
        held_bits(self, m, "w", axi.wvalid, axi.wready, axi.wdata, axi.wstrb, axi.wlast)


PROOFS = [Proof(harness, {"n_masters": n}) for harness in (Reads, Writes) for n in (3, 8)]
