"""Proofs of rtl.csr."""

from amaranth import Cat, Mux, Signal, Value

from quiesce.rtl.csr import CSR
from quiesce.spec.config import preset
from quiesce.spec.isa import Region
from quiesce.spec.registers import CORE_ID, Control, Register, Status
from tests.formal.harness import Harness
from tests.formal.proof import Proof
from tests.formal.rules import held_bits, tally

PLAIN = (
    Register.IRQ_ENABLE, Register.MODE, Register.N_ITEMS, Register.WATCHDOG, Register.PROLOGUE_BEATS, Register.BODY_BEATS,
    Register.INPUT_STRIDE, Register.OUTPUT_STRIDE, Register.COUNTER_SELECT,
    *(Register.BASE + 8 * region for region in Region), *(Register.SIZE + 8 * region for region in Region),
)  # fmt: skip
READABLE = {*Register, *PLAIN}
WIDTHS = {Register.IRQ_ENABLE: 2, Register.MODE: 1, Register.COUNTER_SELECT: 16}


def bus_rules(harness: Harness, m, axi) -> None:
    """What AXI4-Lite asks of the master is assumed, and of the slave checked."""
    held_bits(harness, m, "aw", axi.awvalid, axi.awready, axi.awaddr, assume=True)
    held_bits(harness, m, "w", axi.wvalid, axi.wready, axi.wdata, axi.wstrb, assume=True)
    held_bits(harness, m, "ar", axi.arvalid, axi.arready, axi.araddr, assume=True)
    held_bits(harness, m, "b", axi.bvalid, axi.bready, axi.bresp)
    held_bits(harness, m, "r", axi.rvalid, axi.rready, axi.rdata, axi.rresp)


class Handshakes(Harness):
    """Every read and write is answered once, none without its address and data, and each within a bounded time once its answer is
    taken, whatever the other channels do."""

    PATIENCE = 4  # cycles from the last part of a request, or from room for its answer, to the answer

    def __init__(self, **options):
        super().__init__(lambda: CSR(preset("base")), **options)

    def describe(self, m):
        self.free_inputs(m)
        axi = self.dut.axi
        bus_rules(self, m, axi)
        n_aw = tally(m, axi.awvalid & axi.awready, axi.bvalid & axi.bready, width=3, name="addresses")
        n_w = tally(m, axi.wvalid & axi.wready, axi.bvalid & axi.bready, width=3, name="words")
        n_ar = tally(m, axi.arvalid & axi.arready, axi.rvalid & axi.rready, width=3, name="reads")
        m.d.comb += [self.check("few at a time", (n_aw <= 2) & (n_w <= 2) & (n_ar <= 2))]
        with m.If(axi.bvalid):
            m.d.comb += self.check("answers of writes", (n_aw != 0) & (n_w != 0))
        with m.If(axi.rvalid):
            m.d.comb += self.check("answers of reads", n_ar != 0)
        for name, waits in (("write", (n_aw != 0) & (n_w != 0) & ~axi.bvalid), ("read", (n_ar != 0) & ~axi.rvalid)):
            waited = Signal(4, name=f"{name}_waited")
            m.d.sync += waited.eq(Mux(waits, waited + 1, 0))
            m.d.comb += self.check(f"{name} in bounded time", waited <= self.PATIENCE)
        # Room for new ones, whatever waits in the other direction.
        m.d.comb += [
            self.check("room for aw", axi.awready | (n_aw != 0)),
            self.check("room for w", axi.wready | (n_w != 0)),
            self.check("room for ar", axi.arready | (n_ar != 0)),
        ]


class Registers(Harness):
    """A register reads as what was last written to each of its bytes; an address without a register answers SLVERR; counters are
    read no sooner than they have settled."""

    def __init__(self, **options):
        super().__init__(lambda: CSR(preset("base")), **options)

    def describe(self, m):
        self.free_inputs(m)
        dut, axi = self.dut, self.dut.axi
        bus_rules(self, m, axi)
        k = self.constant(m, 10, name="k")  # a word address
        plain, width_mask = Signal(), Signal(32)
        for address in PLAIN:
            with m.If(k == address >> 2):
                m.d.comb += [plain.eq(1), width_mask.eq((1 << WIDTHS.get(address, 32)) - 1)]

        # One request of a kind is held, from when it is taken to when it is carried out, in the cycle before its answer.
        write, read = self.peek("write"), self.peek("read")
        aw, ar = Signal(10, reset_less=True), Signal(10, reset_less=True)
        word, mask = Signal(32, reset_less=True), Signal(32, reset_less=True)
        with m.If(axi.awvalid & axi.awready):
            m.d.sync += aw.eq(axi.awaddr >> 2)
        with m.If(axi.wvalid & axi.wready):
            m.d.sync += [word.eq(axi.wdata), mask.eq(Cat(bit.replicate(8) for bit in axi.wstrb))]
        with m.If(axi.arvalid & axi.arready):
            m.d.sync += ar.eq(axi.araddr >> 2)
        held_mask = Cat(bit.replicate(8) for bit in self.peek("strobes"))
        m.d.comb += [
            self.check("address held", self.peek("write_address") == aw),
            self.check("word held", (self.peek("word") == word) & (held_mask == mask)),
            self.check("read held", self.peek("read_address") == ar),
        ]
        value, counter, high = Signal(32), Signal.like(dut.registers.counter_value), Signal.like(dut.registers.counter_value)
        age = Signal(range(4), init=3)  # cycles since the selection was last written
        m.d.sync += age.eq(Mux(write & (aw == Register.COUNTER_SELECT >> 2), 0, Mux(age == 3, 3, age + 1)))
        m.d.comb += self.check("settling", self.peek("settling") == Mux(age < 2, 2 - age, 0))
        with m.If(write & (aw == k)):
            m.d.sync += value.eq(((value & ~mask) | (word & mask)) & width_mask)

        for address, register in self._plain().items():
            with m.If(k == address >> 2):
                m.d.comb += self.check(f"register {address:x}", value == register)
        was, was_read, expected, known = Signal(10), Signal(), Signal(32), Signal()
        m.d.sync += [was.eq(ar), was_read.eq(read), expected.eq(value), counter.eq(dut.registers.counter_value)]
        with m.If(was_read & (was == k) & plain):
            m.d.comb += self.check("value", (axi.rdata == expected) & (axi.rresp == 0))
        with m.If(was_read & ~Cat(was == register >> 2 for register in READABLE).any()):
            m.d.comb += self.check("unmapped", (axi.rdata == 0) & (axi.rresp == 2))
        with m.If(read & (ar == Register.COUNTER_LOW >> 2)):
            m.d.comb += self.check("settled", age >= 2)
            m.d.sync += [high.eq(dut.registers.counter_value), known.eq(1)]
        with m.If(was_read & (was == Register.COUNTER_LOW >> 2)):
            m.d.comb += self.check("low half", axi.rdata == counter[:32])
        with m.If(known):
            m.d.comb += self.check("captured", self.peek("counter_high") == high[32:])
        with m.If(was_read & (was == Register.COUNTER_HIGH >> 2) & known):
            m.d.comb += self.check("high half", axi.rdata == high[32:])

    def _plain(self) -> dict[int, Value]:
        own, names = self.dut.registers, ("n_items", "prologue_beats", "body_beats", "input_stride", "output_stride")
        return {
            Register.IRQ_ENABLE: self.peek("irq_enable"), Register.MODE: own.dense, Register.WATCHDOG: self.dut.watchdog,
            Register.COUNTER_SELECT: own.counter_select,
            **{Register[name.upper()]: getattr(own, name) for name in names},
            **{Register.BASE + 8 * region: own.region_base[region] for region in Region},
            **{Register.SIZE + 8 * region: own.region_size[region] for region in Region},
        }  # fmt: skip


class Commands(Harness):
    """START and RESET have the effects that docs/reference/errors.md gives; ERROR keeps the first code until RESET; IRQ_STATUS
    tells what has happened since it was cleared."""

    def __init__(self, **options):
        super().__init__(lambda: CSR(preset("base")), **options)

    def describe(self, m):
        self.free_inputs(m)
        dut, axi = self.dut, self.dut.axi
        bus_rules(self, m, axi)
        write, read = self.peek("write"), self.peek("read")
        aw, ar, word = Signal(10), Signal(10), Signal(32)
        with m.If(axi.awvalid & axi.awready):
            m.d.sync += aw.eq(axi.awaddr >> 2)
        with m.If(axi.wvalid & axi.wready):
            m.d.sync += word.eq(axi.wdata & Cat(bit.replicate(8) for bit in axi.wstrb))
        with m.If(axi.arvalid & axi.arready):
            m.d.sync += ar.eq(axi.araddr >> 2)
        error, error_was_set, done, irq = Signal(16), Signal(), Signal(), Signal(2)
        reset, start = Signal(), Signal()
        to_control, to_irq = (write & (aw == register >> 2) for register in (Register.CONTROL, Register.IRQ_STATUS))
        fails = (dut.error != 0) & ~error_was_set & (error == 0)
        m.d.sync += [
            error_was_set.eq(dut.error != 0),
            reset.eq(to_control & word[Control.RESET]),
            start.eq(to_control & word[Control.START] & ~word[Control.RESET] & ~dut.busy & (error == 0)),
            irq.eq(Mux(reset, 0, (irq & ~Mux(to_irq, word[:2], 0)) | Cat(dut.done, fails))),
            error.eq(Mux(reset, 0, Mux(fails, dut.error, error))),
            done.eq(~reset & (dut.done | (done & ~start))),
        ]
        m.d.comb += [self.check("start", dut.start == start), self.check("reset", dut.soft_reset == reset)]
        enabled, strobe = Signal(2), Signal()
        with m.If(axi.wvalid & axi.wready):
            m.d.sync += strobe.eq(axi.wstrb[0])
        with m.If(write & (aw == Register.IRQ_ENABLE >> 2)):
            m.d.sync += enabled.eq((enabled & ~strobe.replicate(2)) | word[:2])
        m.d.comb += self.check("irq", dut.irq == (irq & enabled).any())
        status = Signal(32)
        m.d.comb += [
            status.bit_select(Status.BUSY, 1).eq(dut.busy), status.bit_select(Status.DONE, 1).eq(done),
            status.bit_select(Status.ERROR, 1).eq(error != 0),
        ]  # fmt: skip
        for name, register, value in (
            ("status", Register.STATUS, status), ("error", Register.ERROR, error), ("irq status", Register.IRQ_STATUS, irq),
            ("items", Register.ITEMS_DONE, dut.registers.items_done),
            ("corrections", Register.RAM_CORRECTIONS, dut.ram_corrections),
            ("id", Register.ID, CORE_ID),
        ):  # fmt: skip
            was, expected = Signal(name=f"was_{register:x}"), Signal(32, name=f"expected_{register:x}")
            m.d.sync += [was.eq(read & (ar == register >> 2)), expected.eq(value)]
            with m.If(was):
                m.d.comb += self.check(f"reads {name}", axi.rdata == expected)


PROOFS = [Proof(Handshakes), Proof(Registers), Proof(Commands)]
