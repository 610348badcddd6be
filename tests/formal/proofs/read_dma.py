"""Proofs of rtl.read_dma."""

from amaranth import Array, Cat, Mux, Signal
from amaranth.lib import data as layouts

from quiesce.rtl.bus.interfaces import issued_layout
from quiesce.rtl.bus.read_dma import ReadDMA
from quiesce.spec.config import preset
from quiesce.spec.isa import Region
from tests.formal.fifos import follow
from tests.formal.harness import Harness
from tests.formal.proof import Proof
from tests.formal.proofs.burst_issue import issued
from tests.formal.rules import held_bits


def burst_rules(harness: Harness, m, data_width: int, channel: str, valid, ready, address, length) -> None:
    """What AXI4 asks of an address channel: it waits unchanged; a burst stays within 4 KiB; here it has 16 beats at most."""
    held_bits(harness, m, channel, valid, ready, address, length)
    last = Signal(len(address) + 1, name=f"{channel}_last")
    m.d.comb += last.eq(address + ((length + 1) << (data_width // 8).bit_length() - 1) - 1)
    with m.If(valid):
        m.d.comb += [
            harness.check(f"{channel} within 4 KiB", last >> 12 == address >> 12),
            harness.check(f"{channel} length", length < 16),
            harness.check(f"{channel} aligned", address[: (data_width // 8).bit_length() - 1] == 0),
        ]


def issued_by(harness: Harness, m, regions) -> None:
    """What `BurstIssue` does for a DMA."""
    config, n_clients = harness.config, harness.n_clients
    valid, ready, idle = (harness.peek(*path) for path in (("issue", "o_bursts__valid"), ("o_bursts__ready",), ("issue", "idle")))
    burst = layouts.View(issued_layout(config, n_clients), harness.peek("issue", "o_bursts__payload"))
    issued(harness, m, config, n_clients, regions, valid=valid, ready=ready, burst=burst, idle=idle)


class Delivered(Harness):
    """Every request is issued, inside its region, or told as illegal; the rules of AXI4 hold on AR; each burst issued is offered
    once, as it was issued; every beat goes to the client that asked for its burst, in order; at most 16 bursts are under way;
    while halted data are swallowed; a beat that nobody asked for, an error or a burst of another length is told."""

    def __init__(self, name: str, n_clients: int, **options):
        self.config, self.n_clients = preset(name), n_clients
        super().__init__(lambda: ReadDMA(self.config, n_clients), **options)

    def describe(self, m):
        dut, axi = self.dut, self.dut.axi
        self.free_inputs(m)
        issued_by(self, m, tuple(Region))
        burst_rules(self, m, self.config.data_width, "ar", axi.arvalid, axi.arready, axi.araddr, axi.arlen)
        issued = self.peek("issue", "o_bursts__valid") & self.peek("o_bursts__ready")
        issued_burst = self.peek("issue", "o_bursts__payload")  # client, address and length from bit 0 on
        client_bits, address_bits = max(1, (self.n_clients - 1).bit_length()), len(axi.araddr)
        client, burst = issued_burst[:client_bits], issued_burst[client_bits:]

        was_issued, was_waiting, sent = Signal(), Signal(), Signal(len(burst))
        m.d.sync += [was_issued.eq(issued), was_waiting.eq(axi.arvalid & ~axi.arready), sent.eq(burst)]
        m.d.comb += self.check("offered", axi.arvalid == (was_issued | was_waiting))
        with m.If(was_issued):
            m.d.comb += self.check("as issued", Cat(axi.araddr, axi.arlen[: len(burst) - address_bits]) == sent)

        entry, any_open = self.peek("order", "r_data"), self.peek("order", "r_rdy")
        head, length = entry[:client_bits], entry[client_bits:]
        ends = axi.rvalid & axi.rready & any_open & axi.rlast
        order = follow(
            self, m, "bursts", "order", kind="SyncFIFO", rows=dut.OUTSTANDING, put=issued,
            value=Cat(client, burst[address_bits:]), valid=any_open, take=ends, taken=entry,
        )  # fmt: skip
        m.d.comb += [
            self.check("known clients", client < self.n_clients),
            self.assume("words not kept are of known clients", ~any_open | (head < self.n_clients)),
            self.check("open", any_open == (order.inside != 0)),
            self.check("idle", dut.idle == ((order.inside == 0) & self.peek("issue", "idle"))),
        ]
        clients = [getattr(dut, f"data_{i}") for i in range(self.n_clients)]
        for i, data in enumerate(clients):
            m.d.comb += self.check(f"own data {i}", data.valid == (axi.rvalid & any_open & (head == i) & ~dut.halt))
            m.d.comb += self.check(f"data {i}", data.payload == axi.rdata)
        m.d.comb += self.check("taken", axi.rready == (~any_open | dut.halt | Array(data.ready for data in clients)[head]))

        error, beat = Signal(), Signal(4)  # of the burst under way
        with m.If(axi.rvalid & axi.rready & any_open):
            m.d.sync += beat.eq(Mux(axi.rlast, 0, beat + 1))
        wrong = ~any_open | (axi.rresp != 0) | (axi.rlast != (beat == length))
        with m.If(axi.rvalid & axi.rready & wrong):
            m.d.sync += error.eq(1)
        m.d.comb += [self.check("error", dut.error_bus == error), self.check("own beat", self.peek("beat") == beat)]


PROOFS = [Proof(Delivered, {"name": name, "n_clients": 3}) for name in ("base", "wide")]
