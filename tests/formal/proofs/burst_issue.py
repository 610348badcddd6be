"""Proofs of rtl.burst_issue."""

from amaranth import Array, Cat, Signal

from formal.harness import Harness
from formal.proof import Proof
from formal.rules import stable
from quiesce.rtl.burst_issue import BurstIssue
from quiesce.rtl.write_dma import WRITABLE
from quiesce.sw.config import preset
from quiesce.sw.isa import Region


class Issued(Harness):
    """Every burst issued is one that was requested, inside a region that is allowed and inside a 4 KiB page, aligned and of a
    legal length; a legal one is never dropped."""

    def __init__(self, regions: str, addr_width: int, n_clients: int = 2, **options):
        self.regions = WRITABLE if regions == "writable" else tuple(Region)
        self.config, self.n_clients = preset("tiny", addr_width=addr_width), n_clients
        super().__init__(lambda: BurstIssue(self.config, n_clients, self.regions), **options)

    def describe(self, m):
        dut = self.dut
        self.free_inputs(m)
        stable(self, m, Cat(dut.region_base.as_value(), dut.region_size.as_value()), "regions")
        requests = [getattr(dut, f"request_{i}") for i in range(self.n_clients)]
        taken = Cat(request.valid & request.ready for request in requests)
        asked = Signal(requests[0].payload.shape())
        client, waits = Signal(range(self.n_clients)), Signal()
        for i, request in enumerate(requests):
            with m.If(taken[i]):
                m.d.sync += [asked.eq(request.payload), client.eq(i)]
        out, address, length = dut.o_bursts, dut.o_bursts.payload.address, dut.o_bursts.payload.length

        base, size = Array(dut.region_base)[asked.region], Array(dut.region_size)[asked.region]
        beat, first, last = 8, Signal(34), Signal(35)
        m.d.comb += [first.eq(base + asked.offset), last.eq(first + asked.beats * beat - 1)]
        legal = (
            Cat(asked.region == region for region in self.regions).any() & (asked.beats >= 1) & (asked.beats <= 16)
            & (asked.offset + asked.beats * beat <= size) & (last >> self.config.addr_width == 0)
            & (first[:3] == 0) & (first >> 12 == last >> 12)
        )  # fmt: skip
        illegal = Signal()
        with m.If(waits & ~legal):
            m.d.sync += illegal.eq(1)
        # What was taken waits until it is issued, found illegal or halted.
        m.d.sync += waits.eq(taken.any() | (waits & legal & ~dut.halt & ~out.ready))
        m.d.comb += [
            self.check("one at a time", (taken & (taken - 1)) == 0),
            self.check("idle", dut.idle == ~waits),
            self.check("issued if legal", out.valid == (waits & legal & ~dut.halt)),
            self.check("error", dut.error_bounds == illegal),
            self.check("lowest first", Cat(~(r.valid & ~r.ready & taken[i + 1 :].any()) for i, r in enumerate(requests)).all()),
            self.check("moves on", ~dut.request_0.valid | dut.request_0.ready | dut.halt | (out.valid & ~out.ready)),
        ]
        with m.If(out.valid):
            m.d.comb += [
                self.check("address", address == first),
                self.check("length", length + 1 == asked.beats),
                self.check("client", out.payload.client == client),
            ]


PROOFS = [
    Proof(Issued, {"regions": "writable", "addr_width": 32}),
    Proof(Issued, {"regions": "all", "addr_width": 32}),
    Proof(Issued, {"regions": "writable", "addr_width": 20}),
]
