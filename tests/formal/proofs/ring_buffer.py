"""Proofs of rtl.ring_buffer."""

from amaranth import Signal

from quiesce.rtl.lib.ring_buffer import RingBuffer
from tests.formal.harness import Harness
from tests.formal.proof import Proof


class Kept(Harness):
    """A word that is read is that of the beat last written to its place, and is shown until the next read."""

    def __init__(self, depth: int, beat_width: int, word_width: int, **options):
        self.depth, self.bits = depth, (beat_width // word_width).bit_length() - 1
        super().__init__(lambda: RingBuffer(depth, beat_width, word_width), **options)

    def describe(self, m):
        dut = self.dut
        self.free_inputs(m)
        k = self.constant(m, range(self.depth), name="k")  # a place
        beat = self.one_word(m, "mem", at=k)
        known, kept = Signal(), Signal.like(dut.beat)  # beat k has been written, and what it was
        written = Signal.like(dut.written)
        m.d.comb += self.check("written", written == dut.written)
        with m.If(dut.write):
            m.d.sync += written.eq(written + 1)
            with m.If(written[:-1] == k):
                m.d.sync += [known.eq(1), kept.eq(dut.beat)]
        with m.If(known):
            m.d.comb += self.check("kept", beat == kept)
        read, word = Signal(), Signal.like(dut.word)
        with m.If(dut.en):
            m.d.sync += [
                read.eq(known & ~(dut.write & (written[:-1] == k)) & (dut.addr[self.bits :] == k)),
                word.eq(kept.word_select(dut.addr[: self.bits], len(word))),
            ]
        with m.If(read):
            m.d.comb += self.check("word", dut.word == word)


PROOFS = [
    Proof(Kept, {"depth": 128, "beat_width": 64, "word_width": 32}),
    Proof(Kept, {"depth": 128, "beat_width": 128, "word_width": 8}),
]
