"""Performance counters: live ones that count every cycle, and a memory that sums them per layer."""

from amaranth import Array, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.bits import bits_for_index
from quiesce.sw.config import CoreConfig
from quiesce.sw.isa import COUNTER_WIDTH, Counter

__all__ = ["CounterBank"]

LIVE_WIDTH = 32
N_COUNTERS = len(Counter)


class CounterBank(wiring.Component):
    """Adds ``increments`` to the live counters every cycle; ``flush`` moves them into the set of a layer.

    A flush copies them in one cycle, so that what is counted from that cycle on belongs to the next one, and then takes two
    cycles per counter to add the copies. ``clear`` zeroes the whole memory, one word per cycle, and the live counters.

    Members
    -------
    increments : one per isa.Counter
    flush, layer : pulse (ignored while busy), and the counter set to add to
    select, value : read port, ``value`` follows ``select`` (layer * 16 + counter) within two cycles when not busy
    busy : a flush or a clear is under way
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "increments": In(data.ArrayLayout(bits_for_index(2 * config.lanes + 1), N_COUNTERS)),
                "flush": In(1),
                "clear": In(1),
                "layer": In(bits_for_index(config.max_layers)),
                "select": In(16),
                "value": Out(COUNTER_WIDTH),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        depth = self._config.max_layers * N_COUNTERS
        m.submodules.totals = totals = memory.Memory(shape=unsigned(COUNTER_WIDTH), depth=depth, init=[])
        read, write = totals.read_port(), totals.write_port()
        live = Array(Signal(LIVE_WIDTH, name=f"live_{Counter(i).name.lower()}") for i in range(N_COUNTERS))
        copies = Array(Signal(LIVE_WIDTH, name=f"copy_{Counter(i).name.lower()}", reset_less=True) for i in range(N_COUNTERS))
        index = Signal(range(depth))
        layer = Signal(bits_for_index(self._config.max_layers), reset_less=True)
        counter = index[: N_COUNTERS.bit_length() - 1]
        take = Signal()

        for i in range(N_COUNTERS):
            m.d.sync += live[i].eq(Mux(take, 0, live[i]) + self.increments[i])
            with m.If(take):
                m.d.sync += copies[i].eq(live[i])
        m.d.comb += [read.en.eq(1), self.value.eq(read.data)]

        with m.FSM() as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))
            with m.State("IDLE"):
                m.d.comb += read.addr.eq(self.select)
                m.d.sync += index.eq(0)
                m.d.comb += take.eq(self.clear | self.flush)
                with m.If(self.clear):
                    m.next = "CLEAR"
                with m.Elif(self.flush):
                    m.d.sync += layer.eq(self.layer)
                    m.next = "READ"
            with m.State("CLEAR"):
                m.d.comb += [write.en.eq(1), write.addr.eq(index)]
                m.d.sync += index.eq(index + 1)
                with m.If(index == depth - 1):
                    m.next = "IDLE"
            with m.State("READ"):
                m.d.comb += read.addr.eq(Cat(counter, layer))
                m.next = "ADD"
            with m.State("ADD"):
                m.d.comb += [
                    write.en.eq(1), write.addr.eq(Cat(counter, layer)), write.data.eq(read.data + copies[counter]),
                ]  # fmt: skip
                m.d.sync += index.eq(index + 1)
                m.next = "READ"
                with m.If(counter == N_COUNTERS - 1):
                    m.next = "IDLE"
        return m
