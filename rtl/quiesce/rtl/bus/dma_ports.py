"""What both DMAs have in common: their clients' requests, the regions, and the way of these to the front of the DMA."""

from amaranth import Module, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from quiesce.rtl.bus.burst_issue import BurstIssue
from quiesce.rtl.bus.interfaces import REGIONS, Burst
from quiesce.spec.config import CoreConfig

__all__ = ["connect_issue", "dma_members"]


def dma_members(config: CoreConfig, n_clients: int, data_flow: wiring.Flow, **own: wiring.Member) -> dict[str, wiring.Member]:
    """Ports of a DMA whose clients' data flow ``data_flow``, its ``own`` ones among them.

    Members
    -------
    request_0 .. request_{n_clients - 1} : In(stream of Burst)
    data_0 .. data_{n_clients - 1} : stream of unsigned(data_width)
    region_base, region_size : In(REGIONS)
    halt : In(1)
    error_bounds, error_bus, idle : Out(1)
    """
    beats = stream.Signature(unsigned(config.data_width))
    return {
        **own,
        **{f"request_{i}": In(stream.Signature(Burst)) for i in range(n_clients)},
        **{f"data_{i}": data_flow(beats) for i in range(n_clients)},
        "region_base": In(REGIONS),
        "region_size": In(REGIONS),
        "halt": In(1),
        "error_bounds": Out(1),
        "error_bus": Out(1),
        "idle": Out(1),
    }


def connect_issue(m: Module, dma: wiring.Component, issue: BurstIssue) -> None:
    """Give the front the requests of the DMA's clients and what it needs to check them; its bursts are left."""
    for i in range(issue.n_clients):
        connect(m, flipped(getattr(dma, f"request_{i}")), getattr(issue, f"request_{i}"))
    m.d.comb += [
        issue.region_base.eq(dma.region_base),
        issue.region_size.eq(dma.region_size),
        issue.halt.eq(dma.halt),
        dma.error_bounds.eq(issue.error_bounds),
    ]
