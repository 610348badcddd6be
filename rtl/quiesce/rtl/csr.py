"""Register bank: an AXI4-Lite slave that implements `registers.Register`."""

from collections.abc import Iterable, Mapping
from typing import Any

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.bus.axi import RESP_OKAY, RESP_SLVERR, AXI4LiteSignature
from quiesce.rtl.register_ports import RegisterSignature
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import Region
from quiesce.spec.performance import COUNTER_WIDTH
from quiesce.spec.registers import CORE_ID, REGISTER_FIELDS, Control, Interrupt, Register, Status

__all__ = ["ADDR_WIDTH", "CSR"]

ADDR_WIDTH = 12

SETTLE_CYCLES = 2  # that reads, and another write of COUNTER_SELECT, wait after COUNTER_SELECT was written


class CSR(wiring.Component):
    """Configuration, control, status, counters and interrupt of the core.

    Registers are 32 bits wide; address bits 1:0 are ignored. Write strobes select bytes. An unmapped address answers SLVERR;
    a write to a read-only register is ignored. AW and W may come in either order.

    CONTROL.START has no effect while `busy` or while an error stands, nor together with CONTROL.RESET. RESET clears STATUS,
    IRQ_STATUS and ERROR and keeps the configuration, whose registers must not be written while the core is busy. ERROR keeps the
    first code. A read of COUNTER_LOW also captures COUNTER_HIGH, so that a running counter is read consistently, low half first.

    Latency: 2 cycles from the later of AW and W to B, and from AR to R; 1 more for a read right after a write of
    COUNTER_SELECT, and for another write of it, so that writes cannot keep a read waiting. Throughput: one write and one read per
    2 cycles. Back-pressure: one address, data word and response of each kind are held. Reset: all registers to 0, bus channels
    empty.

    Parameters
    ----------
    config : CoreConfig
        Source of the CONFIG register.

    Members
    -------
    axi : In(AXI4LiteSignature(12))
    start, soft_reset : Out(1)
        Pulses of one cycle.
    busy : In(1)
        High from the cycle after `start` until the core can be started again.
    done : In(1)
        Pulse; sets STATUS.DONE, which `start` clears.
    error : In(16)
        Register.ERROR; captured when it becomes nonzero.
    registers : Out(RegisterSignature())
    watchdog : Out(32)
    ram_corrections : In(32)
    irq : Out(1)
        High while an enabled bit of IRQ_STATUS is set.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({
            "axi": In(AXI4LiteSignature(ADDR_WIDTH)),
            "start": Out(1),
            "soft_reset": Out(1),
            "busy": In(1),
            "done": In(1),
            "error": In(16),
            "registers": Out(RegisterSignature()),
            "watchdog": Out(32),
            "ram_corrections": In(32),
            "irq": Out(1),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        irq_enable = Signal(len(Interrupt))
        status = Signal(len(Status))
        irq_status = Signal(len(Interrupt))
        error_code = Signal(16)
        counter_high = Signal(COUNTER_WIDTH - 32, reset_less=True)
        writable = self._writable(irq_enable)
        readable = {
            **writable,
            **self._constants(),
            Register.STATUS: status,
            Register.IRQ_STATUS: irq_status,
            Register.ERROR: error_code,
            Register.COUNTER_LOW: self.registers.counter_value[:32],
            Register.COUNTER_HIGH: counter_high,
            Register.ITEMS_DONE: self.registers.items_done,
            Register.RAM_CORRECTIONS: self.ram_corrections,
        }
        settling = Signal(range(SETTLE_CYCLES + 1))
        write, write_address, write_data, byte_mask = self._write_channels(m, readable, select_stall=settling != 0)
        read, read_address = self._read_channels(m, readable, stall=settling != 0)

        with m.If(settling != 0):
            m.d.sync += settling.eq(settling - 1)
        with m.If(write), m.Switch(write_address):
            for address, register in writable.items():
                with m.Case(address >> 2):
                    m.d.sync += register.eq((register & ~byte_mask) | (write_data & byte_mask))
        with m.If(write & (write_address == Register.COUNTER_SELECT >> 2)):
            m.d.sync += settling.eq(SETTLE_CYCLES)
        with m.If(read & (read_address == Register.COUNTER_LOW >> 2)):
            m.d.sync += counter_high.eq(self.registers.counter_value[32:])

        written = Mux(write, write_data & byte_mask, 0)
        to_control = Mux(write_address == Register.CONTROL >> 2, written, 0)
        to_irq_status = Mux(write_address == Register.IRQ_STATUS >> 2, written, 0)
        self._events(m, to_control, to_irq_status, status, irq_status, error_code)
        m.d.comb += self.irq.eq((irq_status & irq_enable).any())
        return m

    def _writable(self, irq_enable: Signal) -> dict[int, Value]:
        """Registers that keep what is written, by address."""
        state: dict[int, Value] = {
            Register.STREAM: self.registers.continues, Register.DELTA_THRESHOLD: self.registers.delta_threshold,
        }  # fmt: skip
        return {
            Register.IRQ_ENABLE: irq_enable,
            Register.MODE: self.registers.dense,
            Register.N_ITEMS: self.registers.n_items,
            Register.WATCHDOG: self.watchdog,
            Register.PROLOGUE_BEATS: self.registers.prologue_beats,
            Register.BODY_BEATS: self.registers.body_beats,
            Register.INPUT_STRIDE: self.registers.input_stride,
            Register.OUTPUT_STRIDE: self.registers.output_stride,
            Register.COUNTER_SELECT: self.registers.counter_select,
            **(state if self.config.state_depth else {}),
            **{Register.BASE + 8 * region: self.registers.region_base[region] for region in Region},
            **{Register.SIZE + 8 * region: self.registers.region_size[region] for region in Region},
        }

    def _constants(self) -> dict[int, int]:
        """Registers that always read the same."""
        config = self.config
        fields = {
            "n_pes": config.n_pes,
            "n_lanes": config.n_lanes,
            "last_core": config.n_cores - 1,
            "beat_bytes": config.beat_bytes,
            "detector_width": config.detector_width,
        }
        return {Register.ID: CORE_ID, Register.CONFIG: REGISTER_FIELDS[Register.CONFIG].pack(fields), Register.CONTROL: 0}

    def _events(
        self, m: Module, to_control: Value, to_irq_status: Value, status: Signal, irq_status: Signal, error_code: Signal
    ) -> None:
        """Start, reset, completion, errors and what they leave in STATUS, IRQ_STATUS and ERROR."""
        done = Signal()
        error_before = Signal()
        failed = Signal()
        m.d.comb += [
            failed.eq((self.error != 0) & ~error_before & (error_code == 0)),
            Cat(status[Status.BUSY], status[Status.DONE], status[Status.ERROR]).eq(Cat(self.busy, done, error_code != 0)),
        ]
        m.d.sync += [
            # The error input falls only once the core has been reset: its level must not set the code again after RESET.
            error_before.eq(self.error != 0),
            self.start.eq(to_control[Control.START] & ~to_control[Control.RESET] & ~self.busy & (error_code == 0)),
            self.soft_reset.eq(to_control[Control.RESET]),
            irq_status.eq((irq_status & ~to_irq_status) | Cat(self.done, failed)),
        ]
        with m.If(self.start):
            m.d.sync += done.eq(0)
        with m.If(self.done):
            m.d.sync += done.eq(1)
        with m.If(failed):
            m.d.sync += error_code.eq(self.error)
        with m.If(self.soft_reset):
            m.d.sync += [done.eq(0), irq_status.eq(0), error_code.eq(0)]

    def _write_channels(self, m: Module, mapped: Iterable[int], select_stall: Value) -> tuple[Signal, Signal, Signal, Value]:
        """AW, W and B; returns the write pulse, the word address, the data and the mask of the bytes to write.

        ``select_stall`` holds up a write of COUNTER_SELECT.
        """
        axi = self.axi
        has_address = Signal()
        has_data = Signal()
        stall = Signal()
        write = Signal()
        address = Signal(ADDR_WIDTH - 2, reset_less=True, name="write_address")
        word = Signal(32, reset_less=True)
        strobes = Signal(4, reset_less=True)
        m.d.comb += [
            axi.awready.eq(~has_address),
            axi.wready.eq(~has_data),
            stall.eq(select_stall & (address == Register.COUNTER_SELECT >> 2)),
            write.eq(has_address & has_data & ~stall & (axi.bready | ~axi.bvalid)),
        ]
        with m.If(axi.bready | ~axi.bvalid):
            m.d.sync += axi.bvalid.eq(write)
        with m.If(write):
            m.d.sync += [has_address.eq(0), has_data.eq(0), axi.bresp.eq(self._response(address, mapped))]
        with m.If(axi.awvalid & axi.awready):
            m.d.sync += [has_address.eq(1), address.eq(axi.awaddr[2:])]
        with m.If(axi.wvalid & axi.wready):
            m.d.sync += [has_data.eq(1), word.eq(axi.wdata), strobes.eq(axi.wstrb)]
        return write, address, word, Cat(bit.replicate(8) for bit in strobes)

    def _read_channels(self, m: Module, readable: Mapping[int, Value | int], stall: Value) -> tuple[Signal, Signal]:
        """AR and R; returns the read pulse and the word address."""
        axi = self.axi
        has_address = Signal()
        read = Signal()
        address = Signal(ADDR_WIDTH - 2, reset_less=True, name="read_address")
        m.d.comb += [axi.arready.eq(~has_address), read.eq(has_address & ~stall & (axi.rready | ~axi.rvalid))]
        with m.If(axi.rready | ~axi.rvalid):
            m.d.sync += axi.rvalid.eq(read)
        with m.If(read):
            m.d.sync += [has_address.eq(0), axi.rdata.eq(0), axi.rresp.eq(self._response(address, readable))]
            with m.Switch(address):
                for location, value in readable.items():
                    with m.Case(location >> 2):
                        m.d.sync += axi.rdata.eq(value)
        with m.If(axi.arvalid & axi.arready):
            m.d.sync += [has_address.eq(1), address.eq(axi.araddr[2:])]
        return read, address

    @staticmethod
    def _response(address: Signal, mapped: Iterable[int]) -> Value:
        return Mux(Cat(address == location >> 2 for location in mapped).any(), RESP_OKAY, RESP_SLVERR)
