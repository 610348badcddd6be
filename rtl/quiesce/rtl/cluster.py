"""The cores, what feeds them the program, and their way to the bus."""

from typing import Any

from amaranth import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from quiesce.rtl.bus.axi import AXI4Signature, connect_half
from quiesce.rtl.bus.interconnect import ReadInterconnect, WriteInterconnect
from quiesce.rtl.core.core import Core
from quiesce.rtl.lib.bits import bits_for_index
from quiesce.rtl.lib.broadcast import Broadcast
from quiesce.rtl.lib.checked_ram import join_status, status_ports
from quiesce.rtl.program.packet_filter import PacketFilter
from quiesce.rtl.program.program_check import ProgramCheck
from quiesce.rtl.program.program_fetch import ProgramFetch
from quiesce.rtl.register_ports import RegisterSignature, set_registers
from quiesce.spec.config import CoreConfig
from quiesce.spec.performance import COUNTER_STRIDE
from quiesce.spec.registers import ErrorCode

__all__ = ["Cluster"]


class Cluster(wiring.Component):
    """Runs one program on ``n_cores`` cores.

    The program is fetched once, through the bus port of core 0, checked and broadcast; each core's filter takes what is for
    it. A single core is connected without broadcast, filter and interconnect.

    Members
    -------
    axi : memory
    start : pulse, clear accumulators and counters and run the program
    finished : level, all items are done (or there are none)
    halt : issue no more bus transactions, finish those begun
    bus_idle : no transaction is under way
    error : as Register.ERROR, of the lowest core that has one; level until reset
    progress : pulse, the program moves on
    registers : see RegisterSignature
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "axi": Out(AXI4Signature(config.addr_width, config.data_width, bits_for_index(config.n_cores))),
                "start": In(1),
                "finished": Out(1),
                "halt": In(1),
                "bus_idle": Out(1),
                "error": Out(16),
                "progress": Out(1),
                "registers": In(RegisterSignature()),
                **status_ports(config.ram_check),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        cores = [Core(self._config) for _ in range(self._config.n_cores)]
        m.submodules.fetch = fetch = ProgramFetch(self._config)
        m.submodules.check = check = ProgramCheck(self._config)
        for i, core in enumerate(cores):
            m.submodules[f"core_{i}"] = core
            m.d.comb += [core.start.eq(self.start), core.halt.eq(self.halt), *set_registers(core.registers, self.registers)]
        connect(m, fetch.request, cores[0].program_request)
        connect(m, cores[0].program_data, fetch.data)
        connect(m, fetch.o_beats, check.i_beats)
        shared = [fetch]
        m.d.comb += [
            fetch.start.eq(self.start),
            fetch.prologue_beats.eq(self.registers.prologue_beats),
            fetch.body_beats.eq(self.registers.body_beats),
            fetch.n_items.eq(self.registers.n_items),
            self.registers.items_done.eq(cores[0].registers.items_done),
            self.finished.eq(Cat(core.finished for core in cores).all()),
            self.bus_idle.eq(Cat(core.bus_idle for core in cores).all()),
            self.progress.eq(Cat(core.progress for core in cores).any()),
        ]
        if len(cores) == 1:
            connect(m, check.o_beats, cores[0].i_program)
            connect(m, cores[0].axi, flipped(self.axi))
            m.d.comb += [self.error.eq(cores[0].error), self.registers.counter_value.eq(cores[0].registers.counter_value)]
        else:
            broadcast, bad_packets = self._share_program(m, check, cores)
            shared.append(broadcast)
            self._share_bus(m, cores)
            self._collect(m, cores, bad_packets)
        join_status(m, self, [*shared, *cores])
        if self._config.ram_check:
            damaged = Signal()
            with m.If(Cat(part.ram_status.error for part in shared).any()):
                m.d.sync += damaged.eq(1)
            with m.If(damaged):
                m.d.comb += self.error.eq(ErrorCode.RAM_CHECK)
        with m.If(check.error):
            m.d.comb += self.error.eq(ErrorCode.PROGRAM_CHECK)
        return m

    def _share_program(self, m: Module, check: ProgramCheck, cores: list[Core]) -> tuple[Broadcast, Signal]:
        """Broadcast the program; returns also which filters have found a bad packet."""
        m.submodules.broadcast = broadcast = Broadcast(self._config, len(cores))
        connect(m, check.o_beats, broadcast.i_beats)
        at_barrier = Signal(len(cores))
        bad_packets = Signal(len(cores))
        for i, core in enumerate(cores):
            m.submodules[f"filter_{i}"] = packets = PacketFilter(self._config, i)
            connect(m, getattr(broadcast, f"o_beats_{i}"), packets.i_beats)
            connect(m, packets.o_beats, core.i_program)
            m.d.comb += [
                packets.idle.eq(core.idle),
                at_barrier[i].eq(packets.at_barrier),
                packets.release.eq(at_barrier.all()),
                bad_packets[i].eq(packets.bad_packet),
            ]
        return broadcast, bad_packets

    def _share_bus(self, m: Module, cores: list[Core]) -> None:
        m.submodules.reads = reads = ReadInterconnect(self._config, len(cores))
        m.submodules.writes = writes = WriteInterconnect(self._config, len(cores))
        for half in (reads, writes):
            m.d.comb += connect_half(self.axi, half.axi)
            for i, core in enumerate(cores):
                m.d.comb += connect_half(core.axi, getattr(half, f"master_{i}"))

    def _collect(self, m: Module, cores: list[Core], bad_packets: Signal) -> None:
        """Counters and errors of all cores."""
        selected = self.registers.counter_select[exact_log2(self._config.max_layers * COUNTER_STRIDE) :]
        m.d.comb += self.registers.counter_value.eq(Array(core.registers.counter_value for core in cores)[selected])
        for i, core in reversed(list(enumerate(cores))):
            code = Mux(bad_packets[i], ErrorCode.BAD_PACKET, core.error)
            with m.If(code != 0):
                m.d.comb += self.error.eq(Cat(code, Const(i, 8)))
