"""Top level: registers, run control and the cores."""

from enum import IntEnum
from typing import Any

from amaranth import Cat, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from quiesce.rtl.bus.axi import AXI4LiteSignature, AXI4Signature
from quiesce.rtl.cluster import Cluster
from quiesce.rtl.csr import CSR
from quiesce.rtl.lib.bits import bits_for_index
from quiesce.spec.config import CoreConfig
from quiesce.spec.registers import RESET_CYCLES, ErrorCode

__all__ = ["Top"]


class RunState(IntEnum):
    """Any two differ in two bits, so that one flipped bit makes none of them."""

    IDLE = 0b0000
    RUN = 0b0011
    RESET = 0b0101
    STOPPED = 0b0110
    CLEAR = 0b1001  # only with ``ram_check``: checked RAMs are written, which takes as many cycles as they have words


class _IdleTime:
    """A counter of ``cycles``."""

    def __init__(self) -> None:
        self.low = Signal(8, name="idle_low")
        self.high = Signal(24, name="idle_high")  # has a clock only when the lower bits overflow
        self.cycles = Cat(self.low, self.high)

    def clear(self, m: Module) -> None:
        m.d.sync += [self.low.eq(0), self.high.eq(0)]

    def count(self, m: Module, restart: Signal | None = None) -> None:
        """One more cycle, or none while ``restart``."""
        if restart is None:
            m.d.sync += self.low.eq(self.low + 1)
            with m.If(self.low.all()):
                m.d.sync += self.high.eq(self.high + 1)
        else:
            m.d.sync += self.low.eq(Mux(restart, 0, self.low + 1))
            with m.If(restart):
                m.d.sync += self.high.eq(0)
            with m.Elif(self.low.all()):
                m.d.sync += self.high.eq(self.high + 1)


class Top(wiring.Component):
    """An event-driven inference core, or several that share a program, a bus and registers.

    The host places a program, inputs and room for scratch and outputs in memory, sets registers (registers.Register) and writes
    START; the core runs all items unattended and raises ``irq`` when done or stopped by an error. After an error the core issues
    no more transactions; RESET waits for those under way and returns everything but the registers to its initial state. If they
    are not done after RESET_CYCLES it stops with another error and keeps on waiting: START has no effect before a RESET that
    succeeds.

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
                "m_axi": Out(AXI4Signature(config.addr_width, config.data_width, bits_for_index(config.n_cores))),
                "s_axil": In(AXI4LiteSignature(12)),
                "irq": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        reset = Signal()
        m.submodules.csr = csr = CSR(self._config)
        cluster = Cluster(self._config)
        m.submodules.cluster = ResetInserter(reset)(cluster)
        connect(m, flipped(self.s_axil), csr.axi)
        connect(m, cluster.axi, flipped(self.m_axi))

        connect(m, csr.registers, cluster.registers)
        m.d.comb += self.irq.eq(csr.irq)
        if self._config.ram_check:
            self._count_corrections(m, cluster.ram_status.corrected, csr)
        self._control(m, csr, cluster, reset)
        return m

    def _control(self, m: Module, csr: CSR, cluster: Cluster, reset: Signal) -> None:
        """Run control: see RunState."""
        error = Signal(16)
        state = Signal(4 if self._config.ram_check else 3)
        idle = _IdleTime()
        m.d.comb += csr.error.eq(error)
        with m.Switch(state):
            with m.Case(RunState.IDLE):
                idle.clear(m)
                self._start(m, csr, cluster, state, error)
            if self._config.ram_check:
                with m.Case(RunState.CLEAR):
                    m.d.comb += csr.busy.eq(1)
                    with m.If(~cluster.ram_status.clearing):
                        m.d.comb += cluster.start.eq(1)
                        m.d.sync += state.eq(RunState.RUN)
            with m.Case(RunState.RUN):
                m.d.comb += csr.busy.eq(1)
                idle.count(m, cluster.progress)
                expired = (csr.watchdog != 0) & (idle.cycles >= csr.watchdog)
                with m.If((cluster.error != 0) | expired):
                    m.d.sync += [
                        error.eq(Mux(cluster.error != 0, cluster.error, ErrorCode.WATCHDOG)),
                        state.eq(RunState.STOPPED),
                    ]
                with m.Elif(cluster.finished):
                    m.d.comb += csr.done.eq(1)
                    m.d.sync += state.eq(RunState.IDLE)
            with m.Case(RunState.RESET):
                m.d.comb += [cluster.halt.eq(1), csr.busy.eq(1)]
                idle.count(m)
                with m.If(cluster.bus_idle):
                    m.d.comb += reset.eq(1)
                    m.d.sync += state.eq(RunState.IDLE)
                with m.Elif(idle.cycles >= RESET_CYCLES):
                    m.d.sync += [error.eq(ErrorCode.RESET_TIMEOUT), state.eq(RunState.STOPPED)]
            with m.Default():  # STOPPED, and what only a flipped bit makes of a state
                m.d.comb += cluster.halt.eq(1)
                with m.If(error == 0):
                    m.d.sync += error.eq(ErrorCode.WATCHDOG)
        with m.If(csr.soft_reset & (state != RunState.RESET)):
            m.d.sync += [state.eq(RunState.RESET), error.eq(0)]
            idle.clear(m)

    def _start(self, m: Module, csr: CSR, cluster: Cluster, state: Signal, error: Signal) -> None:
        """Leave the idle state."""
        if self._config.ram_check:
            with m.If(csr.start):
                m.d.sync += state.eq(RunState.CLEAR)
            with m.Elif(cluster.error != 0):  # counters are read
                m.d.sync += [error.eq(cluster.error), state.eq(RunState.STOPPED)]
        else:
            with m.If(csr.start):
                m.d.comb += cluster.start.eq(1)
                m.d.sync += state.eq(RunState.RUN)

    @staticmethod
    def _count_corrections(m: Module, corrected: Value, csr: CSR) -> None:
        count = Signal.like(csr.ram_corrections)
        m.d.comb += csr.ram_corrections.eq(count)
        with m.If(csr.soft_reset):
            m.d.sync += count.eq(0)
        with m.Elif(corrected & ~count.all()):
            m.d.sync += count.eq(count + 1)
