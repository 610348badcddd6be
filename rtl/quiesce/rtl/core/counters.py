"""Performance counters: live ones that count every cycle, and a memory that sums them per layer."""

from typing import Any

from amaranth import Array, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from quiesce.rtl.lib.bits import bits_for_index
from quiesce.rtl.lib.checked_ram import join_status, make_ram, status_ports
from quiesce.spec.config import CoreConfig
from quiesce.spec.performance import COUNTER_STRIDE, COUNTER_WIDTH, counters_of

__all__ = ["CounterBank"]

LIVE_WIDTH = 32
STRIDE_LOG2 = exact_log2(COUNTER_STRIDE)


class CounterBank(wiring.Component):
    """Adds ``increments`` to the live counters every cycle; ``flush`` moves them into the set of a layer.

    The upper bits of a live counter have a clock only when the lower ones overflow. A flush copies the counters in one cycle, so
    that what is counted from that cycle on belongs to the next one, and then takes two cycles per counter to add the copies.
    ``clear`` takes one cycle: of the memory it only forgets which sets hold something.

    Members
    -------
    increments : one for each of performance.counters_of
    flush, layer : pulse (ignored while busy), and the counter set to add to
    clear : pulse, not while busy; all counters are zero
    select, value : read port, ``value`` follows ``select`` (layer * COUNTER_STRIDE + counter) within two cycles when not busy;
        counters that are not there are zero
    busy : a flush is under way
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        self._names = [counter.name.lower() for counter in counters_of(config)]
        super().__init__(
            {
                "increments": In(data.ArrayLayout(bits_for_index(2 * config.lanes + 1), len(self._names))),
                "flush": In(1),
                "clear": In(1),
                "layer": In(bits_for_index(config.max_layers)),
                "select": In(16),
                "value": Out(COUNTER_WIDTH),
                "busy": Out(1),
                **status_ports(config.ram_check),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        depth = self._config.max_layers * COUNTER_STRIDE
        m.submodules.totals = totals = make_ram(self._config.ram_check, unsigned(COUNTER_WIDTH), depth)
        join_status(m, self, [totals])
        names = self._names
        low_width = max(8, len(self.increments[0]) + 1)
        low = [Signal(low_width, name=f"low_{name}") for name in names]
        high = [Signal(LIVE_WIDTH - low_width, name=f"high_{name}") for name in names]
        copies = Array(Signal(LIVE_WIDTH, name=f"copy_{name}", reset_less=True) for name in names)
        holds = Signal(self._config.max_layers)  # sets with something in the memory; the others are zero
        layer = Signal(bits_for_index(self._config.max_layers), reset_less=True)
        counter = Signal(STRIDE_LOG2)
        take = Signal()
        known = Signal()

        for i in range(len(names)):
            total = Signal(low_width + 1, name=f"total_{names[i]}")
            m.d.comb += total.eq(Mux(take, 0, low[i]) + self.increments[i])
            with m.If(take | (self.increments[i] != 0)):
                m.d.sync += low[i].eq(total)
            with m.If(take):
                m.d.sync += [high[i].eq(0), copies[i].eq(Cat(low[i], high[i]))]
            with m.Elif(total[-1]):
                m.d.sync += high[i].eq(high[i] + 1)
        m.d.comb += [totals.read_en.eq(1), self.value.eq(Mux(known, totals.read_data, 0))]
        counted = totals.read_addr[:STRIDE_LOG2] < len(names)
        m.d.sync += known.eq(counted & holds.bit_select(totals.read_addr[STRIDE_LOG2:], 1))

        with m.FSM() as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))
            with m.State("IDLE"):
                m.d.comb += totals.read_addr.eq(self.select)
                m.d.comb += take.eq(self.clear | self.flush)
                with m.If(self.clear):
                    m.d.sync += holds.eq(0)
                with m.Elif(self.flush):
                    m.d.sync += [layer.eq(self.layer), counter.eq(0)]
                    m.next = "READ"
            with m.State("READ"):
                m.d.comb += totals.read_addr.eq(Cat(counter, layer))
                m.next = "ADD"
            with m.State("ADD"):
                m.d.comb += [
                    totals.write_en.eq(1),
                    totals.write_addr.eq(Cat(counter, layer)),
                    totals.write_data.eq(self.value + copies[counter]),
                ]
                m.d.sync += counter.eq(counter + 1)
                m.next = "READ"
                with m.If(counter == len(names) - 1):
                    m.d.sync += holds.eq(holds | (1 << layer))
                    m.next = "IDLE"
        return m
