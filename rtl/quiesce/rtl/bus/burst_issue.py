"""Arbitration, address translation and checking of bursts: the front of both DMAs."""

from collections.abc import Collection
from typing import Any

from amaranth import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from quiesce.rtl.bus.interfaces import REGIONS, Burst, issued_layout
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import BURST_BEATS, Region

__all__ = ["BurstIssue"]


PAGE_BITS = 12  # AXI4 forbids a burst to cross a multiple of 4096 bytes


class BurstIssue(wiring.Component):
    """Pick one of several burst requests, translate it to a bus address and drop it if it is illegal.

    A burst is illegal if its region is not among ``regions``, if it ends beyond its region or beyond the address space, crosses a
    4 KiB boundary, is not aligned to a beat, or is not of 1..BURST_BEATS beats. The lowest index goes first.

    Latency: 1 cycle. Throughput: 1 burst per cycle. Back-pressure: one burst waits in a register. Reset: all control state;
    the waiting burst's fields are without reset.

    Parameters
    ----------
    config : CoreConfig
    n_clients : int
        Requests to arbitrate, at least 1.
    regions : collection of Region
        Those that may be accessed; all by default.

    Members
    -------
    request_0 .. request_{n_clients - 1} : In(stream of Burst)
    o_bursts : Out(stream of issued_layout)
        ``valid`` falls without a transfer when ``halt`` rises; the payload is stable otherwise.
    region_base, region_size : In(REGIONS)
        Bytes; must not change while a burst waits.
    halt : In(1)
        Accept nothing and drop what waits.
    error_bounds : Out(1)
        An illegal burst was dropped; sticky until reset.
    idle : Out(1)
        No burst waits.
    """

    def __init__(self, config: CoreConfig, n_clients: int, regions: Collection[Region] = tuple(Region)):
        self.config = config
        self.n_clients = n_clients
        self._regions = regions
        super().__init__({
            **{f"request_{i}": In(stream.Signature(Burst)) for i in range(n_clients)},
            "o_bursts": Out(stream.Signature(issued_layout(config, n_clients))),
            "region_base": In(REGIONS),
            "region_size": In(REGIONS),
            "halt": In(1),
            "error_bounds": Out(1),
            "idle": Out(1),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        waiting = Signal()
        burst = Signal(Burst, reset_less=True)
        client = Signal.like(self.o_bursts.payload.client, reset_less=True)
        illegal = self._illegal(m, burst)

        m.d.comb += [
            self.o_bursts.valid.eq(waiting & ~illegal & ~self.halt),
            self.o_bursts.payload.client.eq(client),
            self.o_bursts.payload.length.eq(burst.beats - 1),
            self.idle.eq(~waiting),
        ]
        advance = Signal()
        m.d.comb += advance.eq(~waiting | illegal | self.halt | self.o_bursts.ready)
        with m.If(waiting & illegal):
            m.d.sync += self.error_bounds.eq(1)
        with m.If(advance):
            m.d.sync += waiting.eq(0)

        taken = self.halt | ~advance
        for i in range(self.n_clients):
            request = getattr(self, f"request_{i}")
            m.d.comb += request.ready.eq(~taken)
            with m.If(request.valid & ~taken):
                m.d.sync += [waiting.eq(1), burst.eq(request.payload), client.eq(i)]
            taken = taken | request.valid
        return m

    def _illegal(self, m: Module, burst: data.View) -> Signal:
        """Translate ``burst`` into the output's address and return whether it must not be issued."""
        config = self.config
        beat_bits = exact_log2(config.beat_bytes)
        n_bytes = Signal(range(BURST_BEATS * config.beat_bytes + 1))
        start = Signal(33)
        end = Signal(34)
        last = Signal(34)
        base = Signal(32)
        size = Signal(32)
        allowed = Signal()
        illegal = Signal()
        with m.Switch(burst.region):
            for region in self._regions:
                with m.Case(region):
                    m.d.comb += [allowed.eq(1), base.eq(self.region_base[region]), size.eq(self.region_size[region])]
        m.d.comb += [
            n_bytes.eq(burst.beats << beat_bits),
            start.eq(base + burst.offset),
            end.eq(burst.offset + n_bytes),
            last.eq(start + n_bytes - 1),
            self.o_bursts.payload.address.eq(start),
            illegal.eq(
                ~allowed
                | (end > size)
                | last[config.addr_width :].any()
                | (last[PAGE_BITS : config.addr_width] != start[PAGE_BITS : config.addr_width])
                | start[:beat_bits].any()
                | (burst.beats == 0)
                | (burst.beats > BURST_BEATS)
            ),
        ]
        return illegal
