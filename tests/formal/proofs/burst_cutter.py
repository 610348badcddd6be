"""Proofs of rtl.burst_cutter."""

from amaranth import Signal

from quiesce.rtl.bus.burst_cutter import BurstCutter
from quiesce.spec.config import preset
from tests.formal.harness import Harness
from tests.formal.proof import Proof
from tests.formal.rules import stream_held


class Covered(Harness):
    """The bursts of a run cover it without gap or overlap, each is of 1..16 beats and crosses no multiple of 16."""

    def __init__(self, data_width: int, beats_width: int, **options):
        self.beat_bits = (data_width // 8).bit_length() - 1
        super().__init__(lambda: BurstCutter(preset("tiny", data_width=data_width), beats_width), **options)

    def describe(self, m):
        dut, burst = self.dut, self.dut.o_bursts.payload
        self.free_inputs(m)
        stream_held(self, m, dut.o_bursts, "o_bursts", unless=dut.load)
        position, left = Signal(32 - self.beat_bits), Signal.like(dut.beats)
        m.d.comb += [self.assume("load while idle", ~dut.load | dut.idle), self.check("idle", dut.idle == (left == 0))]
        m.d.comb += self.check("valid", dut.o_bursts.valid == (left != 0))
        with m.If(dut.load):
            m.d.sync += [position.eq(dut.offset >> self.beat_bits), left.eq(dut.beats)]
        with m.Elif(dut.o_bursts.valid & dut.o_bursts.ready):
            m.d.sync += [position.eq(position + burst.beats), left.eq(left - burst.beats)]
        with m.If(dut.o_bursts.valid):
            m.d.comb += [
                self.check("offset", burst.offset == position << self.beat_bits),
                self.check("length", (burst.beats >= 1) & (burst.beats <= 16)),
                self.check("inside the run", burst.beats <= left),
                self.check("inside a block", position[:4] + burst.beats <= 16),
                self.check("as long as it can be", (burst.beats == left) | (position[:4] + burst.beats == 16)),
            ]


PROOFS = [Proof(Covered, {"data_width": 64, "beats_width": 12}), Proof(Covered, {"data_width": 128, "beats_width": 16})]
