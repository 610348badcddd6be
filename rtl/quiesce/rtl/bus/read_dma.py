"""Read half of the bus: bursts from memory into streams, in order."""

from typing import Any

from amaranth import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import Out

from quiesce.rtl.bus.axi import RESP_OKAY, AXI4ReadSignature
from quiesce.rtl.bus.burst_issue import BurstIssue
from quiesce.rtl.bus.dma_ports import connect_issue, dma_members
from quiesce.spec.config import CoreConfig

__all__ = ["ReadDMA"]


class ReadDMA(wiring.Component):
    """Reads bursts for several clients over one AXI4 read port.

    Clients promise room for what they request: data come back in the order of acceptance, so that a client that does not take its
    data holds up the others. The lowest index goes first.

    Latency: 2 cycles from request to ``arvalid``; data pass through in the same cycle. Throughput: 1 burst per cycle on AR and
    1 beat per cycle on R, without bubbles between bursts, `OUTSTANDING` bursts under way. Back-pressure: ``rready`` is the
    ``ready`` of the client whose data is due, and high if none is. A client must not derive its ``ready`` from ``valid``, for
    AXI4 forbids a path from ``rvalid`` to ``rready``. Reset: all control state, so only while ``idle`` if the bus is to survive
    it.

    Parameters
    ----------
    config : CoreConfig
    n_clients : int
        Clients, at least 1.

    Members
    -------
    axi : Out(AXI4ReadSignature)
    request_0 .. request_{n_clients - 1} : In(stream of Burst)
    data_0 .. data_{n_clients - 1} : Out(stream of unsigned(data_width))
        ``valid`` falls without a transfer when ``halt`` rises.
    region_base, region_size : In(REGIONS)
        Bytes; must not change while a request is pending.
    halt : In(1)
        Accept and issue nothing new (an address already offered stays until it is taken) and swallow the data under way.
        To be held until ``idle``.
    error_bounds : Out(1)
        A request was not issued for leaving its region (see `BurstIssue`); sticky until reset.
    error_bus : Out(1)
        A beat came with an error response, a burst had more or fewer beats than it should, or a beat came that nobody asked for;
        sticky until reset. A beat of a burst is delivered all the same.
    idle : Out(1)
        Nothing waits to be issued and nothing is under way.
    """

    OUTSTANDING = 16

    def __init__(self, config: CoreConfig, n_clients: int):
        self.config = config
        self.n_clients = n_clients
        axi = Out(AXI4ReadSignature(config.addr_width, config.data_width))
        super().__init__(dma_members(config, n_clients, Out, axi=axi))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        axi = self.axi
        m.submodules.issue = issue = BurstIssue(self.config, self.n_clients)
        opening = issue.o_bursts.payload
        entry = data.StructLayout({"client": len(opening.client), "length": len(opening.length)})
        m.submodules.order = order = SyncFIFO(width=entry.size, depth=self.OUTSTANDING)
        queued, burst = data.View(entry, order.w_data), data.View(entry, order.r_data)
        connect_issue(m, self, issue)
        m.d.comb += [
            self.idle.eq(issue.idle & ~order.r_rdy),
        ]

        # The client is queued with the address offered, so it is known when the first beat arrives.
        address = Signal(self.config.addr_width, reset_less=True)
        length = Signal(8, reset_less=True)
        m.d.comb += [
            axi.araddr.eq(address),
            axi.arlen.eq(length),
            issue.o_bursts.ready.eq(order.w_rdy & (axi.arready | ~axi.arvalid)),
            order.w_en.eq(issue.o_bursts.valid & issue.o_bursts.ready),
            queued.client.eq(opening.client),
            queued.length.eq(opening.length),
        ]
        with m.If(axi.arready | ~axi.arvalid):
            m.d.sync += axi.arvalid.eq(order.w_en)
        with m.If(order.w_en):
            m.d.sync += [address.eq(opening.address), length.eq(opening.length)]

        client_ready = Signal()
        for i in range(self.n_clients):
            client = getattr(self, f"data_{i}")
            chosen = order.r_rdy & (burst.client == i)
            m.d.comb += [client.valid.eq(axi.rvalid & chosen & ~self.halt), client.payload.eq(axi.rdata)]
            with m.If(chosen):
                m.d.comb += client_ready.eq(client.ready)
        beat = Signal(len(burst.length))
        taken = Signal()
        m.d.comb += [
            axi.rready.eq(~order.r_rdy | client_ready | self.halt),
            taken.eq(axi.rvalid & axi.rready & order.r_rdy),
            order.r_en.eq(taken & axi.rlast),
        ]
        with m.If(taken):
            m.d.sync += beat.eq(Mux(axi.rlast, 0, beat + 1))
        wrong = ~order.r_rdy | (axi.rresp != RESP_OKAY) | (axi.rlast != (beat == burst.length))
        with m.If(axi.rvalid & axi.rready & wrong):
            m.d.sync += self.error_bus.eq(1)
        return m
