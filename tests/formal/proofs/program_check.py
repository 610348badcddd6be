"""Proofs of rtl.program_check."""

from amaranth import Signal

from quiesce.rtl.program.crc import next_crc
from quiesce.rtl.program.program_check import ProgramCheck
from quiesce.spec.checksums import beats_check
from quiesce.spec.config import preset
from quiesce.spec.isa import BARRIERS, CHECKED_HEADER, CHECKED_OPCODES, HEADER
from tests.formal.harness import Harness
from tests.formal.proof import Proof
from tests.formal.proofs.packet_filter import payload_beats


class Sound(Harness):
    """Beats pass unchanged and in order until the first header whose parity or check is wrong, which waits for ever with all that
    is behind it; its error is reported a cycle later and stays. What a beat does to the check (rtl.crc) is taken
    for granted."""

    def __init__(self, name: str, **options):
        self.config = preset(name)
        super().__init__(lambda: ProgramCheck(self.config), **options)

    def describe(self, m):
        dut, beat = self.dut, self.dut.i_beats.payload
        self.free_inputs(m)
        opcode, count = (beat[HEADER[name].bits] for name in ("opcode", "count"))
        left, crc, unsound = Signal(17), Signal(32), Signal()
        stays, before = Signal(), Signal.like(beat)
        m.d.sync += [stays.eq(dut.i_beats.valid & ~dut.i_beats.ready), before.eq(beat)]
        with m.If(stays):
            m.d.comb += self.assume("input is held", dut.i_beats.valid & (beat == before))
        header, taken = left == 0, dut.i_beats.valid & dut.i_beats.ready
        parity = beat[:4]
        for digit in range(4, 64, 6):
            parity = parity ^ beat[digit : digit + 6]
        checked = sum(opcode == each for each in CHECKED_OPCODES) != 0
        m.d.comb += unsound.eq(header & ((parity != 0) | (checked & (beat[CHECKED_HEADER["check"].bits] != crc))))
        stopped = Signal()  # an unsound header has been offered
        m.d.sync += stopped.eq(stopped | (dut.i_beats.valid & unsound))

        with m.If(taken):
            barrier = header & ((opcode == BARRIERS[0]) | (opcode == BARRIERS[1]))
            m.d.sync += crc.eq(next_crc(crc, beat, beats_check))
            with m.If(barrier):
                m.d.sync += crc.eq(0)
            m.d.sync += left.eq(left - 1)
            with m.If(header):
                m.d.sync += left.eq(payload_beats(opcode, count, self.config.data_width, self.config.mask_width))
        m.d.comb += [
            self.check("unchanged", dut.o_beats.payload == beat),
            self.check("passes", dut.o_beats.valid == (dut.i_beats.valid & ~unsound)),
            self.check("takes what passes", ~dut.i_beats.valid | (taken == (dut.o_beats.valid & dut.o_beats.ready))),
            self.check("stops", ~stopped | ~(taken | dut.o_beats.valid)),
            self.check("waits for ever", ~stopped | (dut.i_beats.valid & unsound & stays)),
            self.check("error", dut.error == stopped),
            self.check("same packet", self.peek("left") == left),
            self.check("same check", self.peek("crc") == crc),
        ]


PROOFS = [Proof(Sound, {"name": "base"}), Proof(Sound, {"name": "wide"}, quick=False)]
