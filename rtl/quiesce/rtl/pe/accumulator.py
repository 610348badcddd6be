"""Private accumulators of one PE."""

from typing import Any

from amaranth import Array, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.lib.bits import sum_or_maximum
from quiesce.rtl.lib.checked_ram import join_status, make_ram, status_ports
from quiesce.rtl.pe.interfaces import acc_addr_width
from quiesce.spec.config import CoreConfig

__all__ = ["Accumulator"]


class Accumulator(wiring.Component):
    """Read-modify-write of partial sums, and draining beside it.

    Two banks, by the address's lowest bit, each with one read and one write port. An update reads in the first cycle and writes
    in the second; a port that sees the write of the same cycle makes updates of one address in consecutive cycles exact. Draining
    takes a bank in a cycle in which no update reads it, returns the word one cycle later and sets it to zero. Updates never wait.

    Members
    -------
    update, addr : read this word now ...
    sums : ... and add these (or take the maximum with them) one cycle later
    op_max : maximum instead of sum; sums are then not negative
    drain, drain_addr : hold until ``drain_grant``; ``drained`` is valid in the cycle after the grant
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        word = data.ArrayLayout(signed(config.acc_width), config.n_lanes)
        super().__init__(
            {
                "update": In(1),
                "addr": In(acc_addr_width(config)),
                "sums": In(word),
                "op_max": In(1),
                "drain": In(1),
                "drain_addr": In(acc_addr_width(config)),
                "drain_grant": Out(1),
                "drained": Out(word),
                **status_ports(config.ram_check),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        word = data.ArrayLayout(signed(config.acc_width), config.n_lanes)

        update_q = Signal()
        addr_q = Signal(acc_addr_width(config), reset_less=True)
        drain_q = Signal()
        drain_addr_q = Signal(acc_addr_width(config), reset_less=True)
        m.d.comb += self.drain_grant.eq(self.drain & ~(self.update & (self.addr[0] == self.drain_addr[0])))
        m.d.sync += [update_q.eq(self.update), drain_q.eq(self.drain_grant)]
        with m.If(self.update):
            m.d.sync += addr_q.eq(self.addr)
        with m.If(self.drain_grant):
            m.d.sync += drain_addr_q.eq(self.drain_addr)

        banks = []
        updated = Signal(word)
        for bank in (0, 1):
            m.submodules[f"bank_{bank}"] = mem = make_ram(config.ram_check, word, config.acc_depth // 2, transparent=True)
            reads_update = self.update & (self.addr[0] == bank)
            reads_drain = self.drain_grant & (self.drain_addr[0] == bank)
            writes_update = update_q & (addr_q[0] == bank)
            writes_drain = drain_q & (drain_addr_q[0] == bank)
            m.d.comb += [
                mem.read_addr.eq(Mux(reads_update, self.addr[1:], self.drain_addr[1:])),
                mem.read_en.eq(reads_update | reads_drain),
                mem.write_addr.eq(Mux(writes_update, addr_q[1:], drain_addr_q[1:])),
                mem.write_data.eq(Mux(writes_update, updated.as_value(), 0)),
                mem.write_en.eq(writes_update | writes_drain),
            ]
            banks.append(mem)

        old = Signal(word)
        stored = Array(bank.read_data.as_value() for bank in banks)
        join_status(m, self, banks)
        m.d.comb += [
            old.eq(stored[addr_q[0]]),
            self.drained.eq(stored[drain_addr_q[0]]),
        ]
        for lane in range(config.n_lanes):
            sum_or_maximum(m, updated[lane], self.op_max, old[lane], self.sums[lane])
        return m
