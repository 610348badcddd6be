"""Write half of the bus: bursts from streams into memory, in order."""

from typing import Any

from amaranth import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from quiesce.rtl.bus.axi import RESP_OKAY, AXI4WriteSignature
from quiesce.rtl.bus.burst_issue import BurstIssue
from quiesce.rtl.bus.dma_ports import connect_issue, dma_members
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import BURST_BEATS, Region

__all__ = ["WRITABLE", "WriteDMA"]

WRITABLE = (Region.SCRATCH, Region.OUTPUT)
"""Program and inputs are read only: a damaged program cannot destroy them."""


class WriteDMA(wiring.Component):
    """Writes bursts for several clients over one AXI4 write port.

    The data of a client follow its requests in order, in as many beats as requested. Bursts are written in the order of
    acceptance; a client that is late with its data holds up the others. The lowest index goes first.

    Latency: 2 cycles from request to ``awvalid``, 1 cycle from data to ``wvalid``. Throughput: 1 burst per cycle on AW and 1 beat
    per cycle on W, without bubbles between bursts, `OUTSTANDING` bursts without response. Back-pressure: ``ready`` of a data
    stream is high only in the client's own bursts. Reset: all control state, so only while ``idle`` if the bus is to survive it.

    Parameters
    ----------
    config : CoreConfig
    n_clients : int
        Clients, at least 1.

    Members
    -------
    axi : Out(AXI4WriteSignature)
    request_0 .. request_{n_clients - 1} : In(stream of Burst)
    data_0 .. data_{n_clients - 1} : In(stream of unsigned(data_width))
    region_base, region_size : In(REGIONS)
        Bytes; must not change while a request is pending.
    halt : In(1)
        Accept and issue nothing new; complete the bursts under way with strobes 0, without data. To be held until ``idle``.
    error_bounds : Out(1)
        A request was not issued for leaving its region, or for one that is not in `WRITABLE` (see `BurstIssue`); sticky until
        reset. Its data are not taken.
    error_bus : Out(1)
        An error response came, or one before the last beat of its burst, which does not count; sticky until reset.
    open_bursts : Out(OPEN_BITS)
        Bursts taken from the clients and not answered yet.
    answered : Out(1)
        The oldest of them is answered in this cycle.
    idle : Out(1)
        No request pending (unless halted), no burst open and every response received.
    """

    OUTSTANDING = 16
    OPEN_BITS = (OUTSTANDING + 1).bit_length()  # one more may wait to be issued

    def __init__(self, config: CoreConfig, n_clients: int):
        self.config = config
        self.n_clients = n_clients
        axi = Out(AXI4WriteSignature(config.addr_width, config.data_width))
        super().__init__(dma_members(config, n_clients, In, axi=axi, open_bursts=Out(self.OPEN_BITS), answered=Out(1)))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        axi = self.axi
        m.submodules.issue = issue = BurstIssue(self.config, self.n_clients, WRITABLE)
        opening = issue.o_bursts.payload
        entry = data.StructLayout({"client": len(opening.client), "length": len(opening.length)})
        m.submodules.order = order = SyncFIFO(width=entry.size, depth=self.OUTSTANDING)
        connect_issue(m, self, issue)
        pending = Signal()
        for i in range(self.n_clients):
            with m.If(getattr(self, f"request_{i}").valid):
                m.d.comb += pending.eq(~self.halt)

        # A response cannot precede its burst's last beat, so this count bounds the queue too: it never overflows.
        unanswered = Signal(range(self.OUTSTANDING + 1))
        sent = Signal.like(unanswered)  # of these, whose last beat has been taken
        opened = Signal()
        m.d.comb += [
            issue.o_bursts.ready.eq((unanswered != self.OUTSTANDING) & (axi.awready | ~axi.awvalid)),
            opened.eq(issue.o_bursts.valid & issue.o_bursts.ready),
            axi.bready.eq(1),
            self.open_bursts.eq(unanswered + ~issue.idle),
            self.answered.eq(axi.bvalid & (sent != 0)),
            self.idle.eq(issue.idle & ~pending & (unanswered == 0)),
        ]
        m.d.sync += [
            unanswered.eq(unanswered + opened - self.answered),
            sent.eq(sent + (axi.wvalid & axi.wready & axi.wlast) - self.answered),
        ]
        with m.If(axi.bvalid & ((axi.bresp != RESP_OKAY) | (sent == 0))):
            m.d.sync += self.error_bus.eq(1)

        address = Signal(self.config.addr_width, reset_less=True)
        length = Signal(8, reset_less=True)
        m.d.comb += [axi.awaddr.eq(address), axi.awlen.eq(length)]
        with m.If(axi.awready | ~axi.awvalid):
            m.d.sync += axi.awvalid.eq(opened)
        with m.If(opened):
            m.d.sync += [address.eq(opening.address), length.eq(opening.length)]

        # The queue is fed together with the address register: a slave may hold awready until it sees wvalid.
        queued = data.View(entry, order.w_data)
        m.d.comb += [
            queued.client.eq(opening.client),
            queued.length.eq(opening.length),
            order.w_en.eq(opened),
        ]
        self._write_beats(m, order, data.View(entry, order.r_data))
        return m

    def _write_beats(self, m: Module, order: SyncFIFO, burst: data.View) -> None:
        """The W channel: send the beats of the ``burst`` at the head of ``order``."""
        axi = self.axi
        beat = Signal(exact_log2(BURST_BEATS))
        word = Signal(self.config.data_width, reset_less=True)
        strobes = Signal(self.config.beat_bytes, reset_less=True)
        last = Signal(reset_less=True)
        payload = Signal(self.config.data_width)
        m.d.comb += [axi.wdata.eq(word), axi.wstrb.eq(strobes), axi.wlast.eq(last)]

        move = Signal()
        free = axi.wready | ~axi.wvalid
        for i in range(self.n_clients):
            client = getattr(self, f"data_{i}")
            with m.If(order.r_rdy & (burst.client == i) & ~self.halt):
                m.d.comb += [client.ready.eq(free), move.eq(client.valid & free), payload.eq(client.payload)]
        with m.If(order.r_rdy & self.halt):
            m.d.comb += move.eq(free)

        with m.If(free):
            m.d.sync += axi.wvalid.eq(move)
        m.d.comb += order.r_en.eq(move & (beat == burst.length))
        with m.If(move):
            m.d.sync += [
                word.eq(payload),
                strobes.eq((~self.halt).replicate(self.config.beat_bytes)),
                last.eq(order.r_en),
                beat.eq(beat + 1),
            ]
        with m.If(order.r_en):
            m.d.sync += beat.eq(0)
