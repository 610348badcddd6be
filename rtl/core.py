"""Top level: registers, run control and the engine."""

from amaranth import Module, Mux, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from quiesce.rtl.axi import AXI4LiteSignature, AXI4Signature
from quiesce.rtl.csr import CSR
from quiesce.rtl.engine import Engine
from quiesce.sw.config import CoreConfig
from quiesce.sw.isa import ErrorCode

__all__ = ["Core"]


class Core(wiring.Component):
    """An event-driven inference core.

    The host places a program, inputs and room for scratch and outputs in memory, sets the registers of isa.Register and writes
    START; the core runs all items unattended and raises ``irq`` when done or stopped by an error. After an error the core issues
    no more transactions; RESET waits for those under way and returns everything but the registers to its initial state.

    Members
    -------
    m_axi : memory, AXI4 master
    s_axil : registers, AXI4-Lite slave
    irq : interrupt, level
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "m_axi": Out(AXI4Signature(config.addr_width, config.data_width)),
                "s_axil": In(AXI4LiteSignature(12)),
                "irq": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        reset = Signal()
        m.submodules.csr = csr = CSR(self._config)
        engine = Engine(self._config)
        m.submodules.engine = ResetInserter(reset)(engine)
        connect(m, flipped(self.s_axil), csr.axi)
        connect(m, engine.axi, flipped(self.m_axi))

        idle_cycles = Signal(32)
        expired = (csr.watchdog != 0) & (idle_cycles >= csr.watchdog)
        error = Signal(8)
        m.d.comb += [
            self.irq.eq(csr.irq),
            csr.error.eq(error),
            csr.items_done.eq(engine.items_done),
            csr.counter_value.eq(engine.counter_value),
            engine.dense.eq(csr.dense),
            engine.n_items.eq(csr.n_items),
            engine.prologue_beats.eq(csr.prologue_beats),
            engine.body_beats.eq(csr.body_beats),
            engine.input_stride.eq(csr.input_stride),
            engine.output_stride.eq(csr.output_stride),
            engine.region_base.eq(csr.region_base),
            engine.region_size.eq(csr.region_size),
            engine.counter_select.eq(csr.counter_select),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += idle_cycles.eq(0)
                with m.If(csr.start):
                    m.d.comb += engine.start.eq(1)
                    m.next = "RUN"
                with m.If(csr.soft_reset):
                    m.next = "RESET"
            with m.State("RUN"):
                m.d.comb += csr.busy.eq(1)
                m.d.sync += idle_cycles.eq(Mux(engine.progress, 0, idle_cycles + 1))
                with m.If((engine.error != 0) | expired):
                    m.d.sync += error.eq(Mux(engine.error != 0, engine.error, ErrorCode.WATCHDOG))
                    m.next = "STOPPED"
                with m.Elif(engine.finished):
                    m.d.comb += csr.done.eq(1)
                    m.next = "IDLE"
                with m.If(csr.soft_reset):
                    m.next = "RESET"
            with m.State("STOPPED"):
                m.d.comb += engine.halt.eq(1)
                with m.If(csr.soft_reset):
                    m.next = "RESET"
            with m.State("RESET"):
                m.d.comb += [engine.halt.eq(1), csr.busy.eq(1)]
                with m.If(engine.bus_idle):
                    m.d.comb += reset.eq(1)
                    m.d.sync += error.eq(0)
                    m.next = "IDLE"
        return m
