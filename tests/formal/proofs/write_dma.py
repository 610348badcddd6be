"""Proofs of rtl.write_dma."""

from amaranth import Cat, Mux, Signal

from quiesce.rtl.bus.write_dma import WRITABLE, WriteDMA
from quiesce.spec.config import preset
from tests.formal.fifos import follow
from tests.formal.harness import Harness
from tests.formal.proof import Proof
from tests.formal.proofs.read_dma import burst_rules, issued_by
from tests.formal.rules import held_bits, tally


class Sent(Harness):
    """Every request is issued, inside its region, or told as illegal; the rules of AXI4 hold on AW and W; each burst issued is
    offered once, as it was issued, and has as many beats as its address says, the last one marked, from the client that asked, in
    order; no more than 16 bursts are unanswered; while halted the bursts under way are completed without writing anything."""

    def __init__(self, name: str, n_clients: int, **options):
        self.config, self.n_clients = preset(name), n_clients
        super().__init__(lambda: WriteDMA(self.config, n_clients), **options)

    def describe(self, m):
        dut, axi = self.dut, self.dut.axi
        self.free_inputs(m)
        issued_by(self, m, WRITABLE)
        burst_rules(self, m, self.config.data_width, "aw", axi.awvalid, axi.awready, axi.awaddr, axi.awlen)
        held_bits(self, m, "w", axi.wvalid, axi.wready, axi.wdata, axi.wstrb, axi.wlast)
        client_bits, address_bits = max(1, (self.n_clients - 1).bit_length()), len(axi.awaddr)
        issued, burst = self.peek("opened"), self.peek("issue", "o_bursts__payload")  # client, address and length from bit 0 on
        client, length = burst[:client_bits], burst[client_bits + address_bits :]

        was_issued, was_waiting, sent = Signal(), Signal(), Signal(len(burst))
        m.d.sync += [was_issued.eq(issued), was_waiting.eq(axi.awvalid & ~axi.awready), sent.eq(burst)]
        m.d.comb += self.check("offered", axi.awvalid == (was_issued | was_waiting))
        with m.If(was_issued):
            m.d.comb += self.check("as issued", Cat(axi.awaddr, axi.awlen[: len(length)]) == sent[client_bits:])

        # Beats: those that move to the bus register belong to the burst at the head of the queue.
        entry, turn, move = self.peek("order", "r_data"), self.peek("order", "r_rdy"), self.peek("move")
        beat, due = Signal(4), Signal()
        m.d.comb += due.eq(beat == entry[client_bits:])
        order = follow(
            self, m, "turns", "order", kind="SyncFIFO", rows=dut.OUTSTANDING, put=issued, value=Cat(client, length), valid=turn,
            take=move & due, taken=entry,
        )  # fmt: skip
        with m.If(move):
            m.d.sync += beat.eq(Mux(due, 0, beat + 1))
        clients = [getattr(dut, f"data_{i}") for i in range(self.n_clients)]
        free = axi.wready | ~axi.wvalid
        was_moved, word, last, halted = Signal(), Signal(len(axi.wdata)), Signal(), Signal()
        own = Cat(data.valid & data.ready for data in clients)
        for i, data in enumerate(clients):
            mine = turn & (entry[:client_bits] == i) & ~dut.halt
            m.d.comb += self.check(f"only in its turn {i}", data.ready == (mine & free))
            with m.If(own[i]):
                m.d.sync += word.eq(data.payload)
        waiting = Signal()
        m.d.sync += [was_moved.eq(move), waiting.eq(axi.wvalid & ~axi.wready), last.eq(due), halted.eq(dut.halt)]
        m.d.comb += [
            self.check("moves", move == (own.any() | (turn & dut.halt & free))),
            self.check("beats", axi.wvalid == (was_moved | waiting)),
            self.check("own beat", self.peek("beat") == beat),
            self.check("turn", turn == (order.inside != 0)),
        ]
        with m.If(was_moved):
            m.d.comb += [
                self.check("last", axi.wlast == last),
                self.check("strobes", axi.wstrb == (~halted).replicate(len(axi.wstrb))),
                self.check("word", halted | (axi.wdata == word)),
            ]

        # Responses: one that comes before the last beat of its burst is an error and answers nothing.
        ends = axi.wvalid & axi.wready & axi.wlast
        unanswered = tally(m, issued, dut.answered, width=5, name="unanswered")
        complete = tally(m, ends, dut.answered, width=5, name="complete")
        error = Signal()
        with m.If(axi.bvalid & ((axi.bresp != 0) | (complete == 0))):
            m.d.sync += error.eq(1)
        m.d.comb += [
            self.check("answered", dut.answered == (axi.bvalid & (complete != 0))),
            self.check("takes responses", axi.bready),
            self.check("error", dut.error_bus == error),
            self.check("own counts", (self.peek("unanswered") == unanswered) & (self.peek("sent") == complete)),
            self.check("open bursts", dut.open_bursts == unanswered + ~self.peek("issue", "idle")),
            self.check("at most 16", unanswered <= dut.OUTSTANDING),
            self.check("all accounted for", unanswered == order.inside + complete + (axi.wvalid & axi.wlast)),
            self.check("within a burst", ~(axi.wvalid & ~axi.wlast) | (beat != 0)),
            self.check("burst under way", (beat == 0) | ((order.inside != 0) & (beat <= entry[client_bits:]))),
            self.check("idle", ~dut.idle | ((unanswered == 0) & (order.inside == 0) & ~axi.wvalid)),
        ]


PROOFS = [Proof(Sent, {"name": name, "n_clients": 2}) for name in ("base", "wide")]
