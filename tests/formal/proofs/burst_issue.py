"""Proofs of rtl.burst_issue."""

from amaranth import Array, Cat, Signal

from quiesce.rtl.bus.burst_issue import BurstIssue
from quiesce.rtl.bus.write_dma import WRITABLE
from quiesce.spec.config import preset
from quiesce.spec.isa import Region
from tests.formal.harness import Harness
from tests.formal.proof import Proof
from tests.formal.rules import stable


def issued(harness: Harness, m, config, n_clients: int, regions, *, valid, ready, burst, idle) -> None:
    """The requests of ``dut`` come out as bursts with an address, each as soon as there is room, unless they are illegal.

    ``valid``, ``ready``, ``burst`` and ``idle`` are those of `BurstIssue`, which may be a part of ``dut``.
    """
    dut, requests = harness.dut, [getattr(harness.dut, f"request_{i}") for i in range(n_clients)]
    stable(harness, m, Cat(dut.region_base.as_value(), dut.region_size.as_value()), "regions")
    taken = Cat(request.valid & request.ready for request in requests)
    asked = Signal(requests[0].payload.shape())
    client, waits = Signal(range(n_clients)), Signal(name="waits")
    for i, request in enumerate(requests):
        with m.If(taken[i]):
            m.d.sync += [asked.eq(request.payload), client.eq(i)]

    base, size = Array(dut.region_base)[asked.region], Array(dut.region_size)[asked.region]
    beat, first, last = config.beat_bytes, Signal(34), Signal(35)
    m.d.comb += [first.eq(base + asked.offset), last.eq(first + asked.beats * beat - 1)]
    legal = (
        Cat(asked.region == region for region in regions).any() & (asked.beats >= 1) & (asked.beats <= 16)
        & (asked.offset + asked.beats * beat <= size) & (last >> config.addr_width == 0)
        & (first[: beat.bit_length() - 1] == 0) & (first >> 12 == last >> 12)
    )  # fmt: skip
    illegal = Signal()
    with m.If(waits & ~legal):
        m.d.sync += illegal.eq(1)
    # What was taken waits until it is issued, found illegal or halted.
    m.d.sync += waits.eq(taken.any() | (waits & legal & ~dut.halt & ~ready))
    m.d.comb += [
        harness.check("one at a time", (taken & (taken - 1)) == 0),
        harness.check("none waits to be issued", idle == ~waits),
        harness.check("issued if legal", valid == (waits & legal & ~dut.halt)),
        harness.check("error of a request", dut.error_bounds == illegal),
        harness.check("lowest first", Cat(~(r.valid & ~r.ready & taken[i + 1 :].any()) for i, r in enumerate(requests)).all()),
        harness.check("moves on", ~dut.request_0.valid | dut.request_0.ready | dut.halt | (valid & ~ready)),
    ]
    with m.If(valid):
        m.d.comb += [
            harness.check("address", burst.address == first),
            harness.check("length", burst.length + 1 == asked.beats),
            harness.check("client", burst.client == client),
        ]


class Issued(Harness):
    """Every burst issued is one that was requested, inside a region that is allowed and inside a 4 KiB page, aligned and of a
    legal length; a legal one is never dropped."""

    def __init__(self, regions: str, addr_width: int, n_clients: int = 2, **options):
        self.regions = WRITABLE if regions == "writable" else tuple(Region)
        self.config, self.n_clients = preset("tiny", addr_width=addr_width), n_clients
        super().__init__(lambda: BurstIssue(self.config, n_clients, self.regions), **options)

    def describe(self, m):
        self.free_inputs(m)
        out = self.dut.o_bursts
        issued(
            self, m, self.config, self.n_clients, self.regions, valid=out.valid, ready=out.ready, burst=out.payload,
            idle=self.dut.idle,
        )  # fmt: skip


PROOFS = [
    Proof(Issued, {"regions": "writable", "addr_width": 32}),
    Proof(Issued, {"regions": "all", "addr_width": 32}),
    Proof(Issued, {"regions": "writable", "addr_width": 20}),
]
