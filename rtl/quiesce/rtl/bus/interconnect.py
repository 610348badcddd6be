"""Several AXI4 masters on one port."""

from collections.abc import Sequence
from typing import Any

from amaranth import Module
from amaranth.lib import data, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out, PureInterface

from quiesce.rtl.bus.axi import AXI4ReadSignature, AXI4WriteSignature
from quiesce.rtl.bus.round_robin import RoundRobin
from quiesce.rtl.lib.bits import bits_for_index
from quiesce.spec.config import CoreConfig

__all__ = ["ReadInterconnect", "WriteInterconnect"]


def _members(config: CoreConfig, half: type, n_masters: int) -> dict[str, wiring.Member]:
    master = half(config.addr_width, config.data_width)
    port = half(config.addr_width, config.data_width, bits_for_index(n_masters))
    return {**{f"master_{i}": In(master) for i in range(n_masters)}, "axi": Out(port)}


def _merge(m: Module, config: CoreConfig, axi: PureInterface, masters: Sequence[PureInterface], channel: str) -> RoundRobin:
    """Merge the address channels ``channel``: "ar" or "aw"; the owner becomes the identifier."""
    m.submodules.bursts = bursts = RoundRobin(config, len(masters))
    for i, master in enumerate(masters):
        burst = getattr(bursts, f"i_burst_{i}")
        m.d.comb += [
            burst.valid.eq(getattr(master, f"{channel}valid")),
            burst.payload.address.eq(getattr(master, f"{channel}addr")),
            burst.payload.length.eq(getattr(master, f"{channel}len")),
            getattr(master, f"{channel}ready").eq(burst.ready),
        ]
    merged = bursts.o_bursts
    m.d.comb += [
        getattr(axi, f"{channel}valid").eq(merged.valid),
        getattr(axi, f"{channel}id").eq(merged.payload.owner),
        getattr(axi, f"{channel}addr").eq(merged.payload.burst.address),
        getattr(axi, f"{channel}len").eq(merged.payload.burst.length),
        merged.ready.eq(getattr(axi, f"{channel}ready")),
    ]
    return bursts


class ReadInterconnect(wiring.Component):
    """Merges read masters. The identifier of a burst is the index of its master, which is how data and errors find back.

    Bursts of different masters may be answered in any order, also interleaved beat by beat. A master that does not take its data
    holds up the others.

    Latency: 1 cycle each way. Throughput: 1 burst and 1 beat per cycle. No path leads from an input to an output of ``axi``
    within a cycle. Reset: all control state, so only while no burst is under way.

    Members
    -------
    master_0 .. master_{n_masters - 1} : In(AXI4ReadSignature)
    axi : Out(AXI4ReadSignature), identifiers as wide as a master's index
    """

    def __init__(self, config: CoreConfig, n_masters: int):
        self._config, self._n_masters = config, n_masters
        super().__init__(_members(config, AXI4ReadSignature, n_masters))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        axi, masters = self.axi, [getattr(self, f"master_{i}") for i in range(self._n_masters)]
        bursts = _merge(m, self._config, axi, masters, "ar")
        m.d.comb += bursts.enable.eq(1)

        beat_layout = data.StructLayout({"id": len(axi.rid), "data": self._config.data_width, "resp": 2, "last": 1})
        m.submodules.beats = beats = SyncFIFO(width=beat_layout.size, depth=2)
        arriving, beat = data.View(beat_layout, beats.w_data), data.View(beat_layout, beats.r_data)
        m.d.comb += [
            axi.rready.eq(beats.w_rdy),
            beats.w_en.eq(axi.rvalid),
            arriving.id.eq(axi.rid),
            arriving.data.eq(axi.rdata),
            arriving.resp.eq(axi.rresp),
            arriving.last.eq(axi.rlast),
        ]
        for i, master in enumerate(masters):
            m.d.comb += [master.rdata.eq(beat.data), master.rresp.eq(beat.resp), master.rlast.eq(beat.last)]
            with m.If(beat.id == i):
                m.d.comb += [master.rvalid.eq(beats.r_rdy), beats.r_en.eq(master.rready)]
        return m


class WriteInterconnect(wiring.Component):
    """Merges write masters. The identifier of a burst is the index of its master, which is how responses find back.

    Data follow in the order of the bursts, for AXI4 knows no other; a master that is late with its data holds up the others. They
    may precede their address. Masters take responses at once (``bready`` is high).

    Latency: 1 cycle for addresses, none for data and responses. Throughput: 1 burst and 1 beat per cycle, `OUTSTANDING` bursts
    whose data have not been sent. Reset: all control state, so only while no burst is under way.

    Members
    -------
    master_0 .. master_{n_masters - 1} : In(AXI4WriteSignature)
    axi : Out(AXI4WriteSignature), identifiers as wide as a master's index
    """

    OUTSTANDING = 16

    def __init__(self, config: CoreConfig, n_masters: int):
        self._config, self._n_masters = config, n_masters
        super().__init__(_members(config, AXI4WriteSignature, n_masters))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        axi, masters = self.axi, [getattr(self, f"master_{i}") for i in range(self._n_masters)]
        bursts = _merge(m, self._config, axi, masters, "aw")
        m.submodules.order = order = SyncFIFO(width=len(bursts.owner), depth=self.OUTSTANDING)
        # Queued when accepted, not when sent: a slave may hold awready until it sees wvalid.
        m.d.comb += [
            bursts.enable.eq(order.w_rdy),
            order.w_en.eq(bursts.accepted),
            order.w_data.eq(bursts.owner),
            order.r_en.eq(axi.wvalid & axi.wready & axi.wlast),
            axi.bready.eq(1),
        ]
        for i, master in enumerate(masters):
            m.d.comb += [master.bresp.eq(axi.bresp), master.bvalid.eq(axi.bvalid & (axi.bid == i))]
            with m.If(order.r_rdy & (order.r_data == i)):
                m.d.comb += [
                    axi.wvalid.eq(master.wvalid),
                    axi.wdata.eq(master.wdata),
                    axi.wstrb.eq(master.wstrb),
                    axi.wlast.eq(master.wlast),
                    master.wready.eq(axi.wready),
                ]
        return m
