"""The lanes of a PE: packed weights, multipliers, partial sums and accumulators."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from quiesce.rtl.lib.checked_ram import join_status, status_ports
from quiesce.rtl.pe.accumulator import Accumulator
from quiesce.rtl.pe.interfaces import acc_addr_width, operation_layout, row_load
from quiesce.rtl.pe.multiplier import Multiplier
from quiesce.rtl.pe.psum_registers import PsumRegisters
from quiesce.rtl.pe.weight_rows import WeightRows
from quiesce.spec.config import CoreConfig

__all__ = ["Lanes"]


class Lanes(wiring.Component):
    """Executes operations: fetch a weight word, multiply, combine (see PsumRegisters), accumulate.

    One operation of all lanes per cycle, never a stall.

    Members
    -------
    en, o : an operation
    row_end : the operations of an input row have all been given; not together with ``en``
    load : write a row of weights, see row_load
    op_max, weight_log2 : see Multiplier and WeightRows; stable during a pass
    crowded : give no further ``row_end`` before this falls, see PsumRegisters
    drain, drain_addr, drain_grant, drained : see Accumulator
    row_done : pulse, every operation of an input row is in the accumulators
    idle : nothing in the pipeline or the registers
    busy, n_effectual, row_read, n_acc_accesses : activity of this cycle, for the counters
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "en": In(1),
                "o": In(operation_layout(config)),
                "row_end": In(1),
                "load": In(row_load(config)),
                "op_max": In(1),
                "weight_log2": In(2),
                "crowded": Out(1),
                "drain": In(1),
                "drain_addr": In(acc_addr_width(config)),
                "drain_grant": Out(1),
                "drained": Out(data.ArrayLayout(signed(config.acc_width), config.n_lanes)),
                "row_done": Out(1),
                "idle": Out(1),
                "busy": Out(1),
                "n_effectual": Out(range(config.n_lanes + 1)),
                "row_read": Out(1),
                "n_acc_accesses": Out(range(3)),
                **status_ports(config.ram_check),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        m.submodules.weights = weights = WeightRows(config)
        m.submodules.mac = mac = Multiplier(config)
        m.submodules.psums = psums = PsumRegisters(config)
        m.submodules.accumulator = accumulator = Accumulator(config)

        join_status(m, self, [weights, accumulator])
        connect(m, flipped(self.load), weights.load)

        # The operation follows its weight: fetch, multiply, combine.
        fetched = Signal()
        multiplied = Signal()
        pruned = Signal(reset_less=True)
        value = Signal(signed(config.operand_width), reset_less=True)
        addr = Signal(acc_addr_width(config), reset_less=True)
        product_addr = Signal(acc_addr_width(config), reset_less=True)
        row_ends = Signal(2)
        m.d.sync += [fetched.eq(self.en), multiplied.eq(fetched), row_ends.eq(Cat(self.row_end, row_ends))]
        with m.If(self.en):
            m.d.sync += [pruned.eq(self.o.pruned), addr.eq(self.o.addr)]
        with m.If(self.en & self.o.first):
            m.d.sync += value.eq(self.o.value)
        with m.If(fetched):
            m.d.sync += product_addr.eq(addr)
        m.d.comb += [
            weights.en.eq(self.en & ~self.o.pruned),
            weights.index.eq(self.o.index),
            weights.weight_log2.eq(self.weight_log2),
            mac.en.eq(fetched),
            mac.op_max.eq(self.op_max),
            mac.value.eq(value),
            mac.weight.eq(Mux(pruned, 0, weights.weight)),
            psums.en.eq(multiplied),
            psums.addr.eq(product_addr),
            psums.product.eq(mac.product),
            psums.op_max.eq(self.op_max),
            psums.row_end.eq(row_ends[1]),
            accumulator.update.eq(psums.evict),
            accumulator.addr.eq(psums.evict_addr),
            accumulator.sums.eq(psums.evicted),
            accumulator.op_max.eq(self.op_max),
            accumulator.drain.eq(self.drain),
            accumulator.drain_addr.eq(self.drain_addr),
            self.drain_grant.eq(accumulator.drain_grant),
            self.drained.eq(accumulator.drained),
            self.crowded.eq(psums.crowded),
            self.row_done.eq(psums.row_done),
            self.idle.eq(~(fetched | multiplied | row_ends.any() | psums.busy)),
            self.busy.eq(fetched),
            self.n_effectual.eq(mac.n_effectual),
            self.row_read.eq(weights.row_read),
            self.n_acc_accesses.eq(psums.evict + accumulator.drain_grant),
        ]
        return m
