"""Fair merging of bursts from several masters."""

from typing import Any

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.lib.bits import bits_for_index, encode_onehot, lowest_set
from quiesce.spec.config import CoreConfig

__all__ = ["RoundRobin", "address_layout", "owned_layout"]


def address_layout(config: CoreConfig) -> data.StructLayout:
    """A burst on an address channel: byte ``address`` and ``length``, its beats less one."""
    return data.StructLayout({"address": config.addr_width, "length": 8})


def owned_layout(config: CoreConfig, n_masters: int) -> data.StructLayout:
    """A burst and the master, ``owner``, that it belongs to."""
    return data.StructLayout({"owner": bits_for_index(n_masters), "burst": address_layout(config)})


class RoundRobin(wiring.Component):
    """Merges the address channels of several masters into one; who was served last is served last again.

    Latency: 1 cycle. Throughput: 1 burst per cycle. Back-pressure: one burst waits in a register. Reset: all control state.

    Members
    -------
    i_burst_0 .. i_burst_{n_masters - 1} : the masters
    o_bursts : merged, stable while not ready
    enable : accept bursts
    accepted, owner : a burst of ``owner`` is accepted in this cycle
    """

    def __init__(self, config: CoreConfig, n_masters: int):
        self._n_masters = n_masters
        super().__init__({
            **{f"i_burst_{i}": In(stream.Signature(address_layout(config))) for i in range(n_masters)},
            "o_bursts": Out(stream.Signature(owned_layout(config, n_masters))),
            "enable": In(1),
            "accepted": Out(1),
            "owner": Out(bits_for_index(n_masters)),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        masters = [getattr(self, f"i_burst_{i}") for i in range(self._n_masters)]
        wanted = Signal(self._n_masters)
        later = Signal(self._n_masters)
        chosen = Signal(self._n_masters)
        behind = Signal(self._n_masters, init=-1)  # masters of a higher index than the one served last
        free = Signal()
        m.d.comb += [
            later.eq(wanted & behind),
            chosen.eq(lowest_set(Mux(later != 0, later, wanted))),
            self.owner.eq(encode_onehot(chosen)),
            free.eq(self.enable & (self.o_bursts.ready | ~self.o_bursts.valid)),
            self.accepted.eq(free & (wanted != 0)),
        ]
        with m.If(self.o_bursts.ready):
            m.d.sync += self.o_bursts.valid.eq(0)
        with m.If(self.accepted):
            m.d.sync += [
                self.o_bursts.valid.eq(1),
                self.o_bursts.payload.owner.eq(self.owner),
                behind.eq(~(chosen | (chosen - 1))),
            ]
        for i, master in enumerate(masters):
            m.d.comb += [wanted[i].eq(master.valid), master.ready.eq(chosen[i] & free)]
            with m.If(chosen[i] & free):
                m.d.sync += self.o_bursts.payload.burst.eq(master.payload)
        return m
