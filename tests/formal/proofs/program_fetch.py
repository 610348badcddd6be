"""Proofs of rtl.program_fetch."""

from amaranth import Cat, Mux, Signal

from quiesce.rtl.program.program_fetch import ProgramFetch
from quiesce.spec.config import preset
from quiesce.spec.isa import Region
from tests.formal.fifos import follow
from tests.formal.harness import Harness
from tests.formal.proof import Proof
from tests.formal.rules import stable, stream_held, tally


class Fetched(Harness):
    """The prologue is requested once and then the body once for each item, every beat once and in order, in bursts of 1..16 beats
    that cross no multiple of 16; no beat comes without room for it, and beats leave in order and unchanged."""

    def __init__(self, name: str, **options):
        self.config = preset(name)
        super().__init__(lambda: ProgramFetch(self.config), **options)

    def describe(self, m):
        dut, request = self.dut, self.dut.request.payload
        beat_bits = (self.config.data_width // 8).bit_length() - 1
        self.free_inputs(m)
        stream_held(self, m, dut.data, "data", assume=True)
        stream_held(self, m, dut.o_beats, "o_beats")
        asks, comes = dut.request.valid & dut.request.ready, dut.data.valid & dut.data.ready
        outstanding = tally(m, Mux(asks, request.beats, 0), comes, width=9, name="outstanding")
        buffer = follow(
            self, m, "buffer", "buffer", kind="RamFifo", rows=dut.BUFFER_BEATS - 1, put=comes, value=dut.data.payload,
            valid=dut.o_beats.valid, take=dut.o_beats.valid & dut.o_beats.ready, taken=dut.o_beats.payload,
        )  # fmt: skip
        m.d.comb += [
            self.assume("no beat that was not asked for", ~dut.data.valid | (outstanding != 0)),
            self.check("room", ~dut.data.valid | dut.data.ready),
            self.check("own room", self.peek("room") + outstanding + buffer.inside == dut.BUFFER_BEATS),
        ]

        # What is left: of the section under way, and sections behind it.
        active, position, left, items = Signal(), Signal(32), Signal(32), Signal(32)
        stable(self, m, Cat(dut.prologue_beats, dut.body_beats), "lengths", when=active)
        with m.If(~active & dut.start):
            m.d.sync += [active.eq(1), position.eq(0), left.eq(dut.prologue_beats), items.eq(dut.n_items)]
        with m.If(asks):
            m.d.sync += [position.eq(position + request.beats), left.eq(left - request.beats)]
        with m.Elif(active & (left == 0)):
            m.d.sync += active.eq((items != 0) & (dut.body_beats != 0))
            with m.If((items != 0) & (dut.body_beats != 0)):
                m.d.sync += [position.eq(dut.prologue_beats), left.eq(dut.body_beats), items.eq(items - 1)]
        own = [self.peek(name) for name in ("active", "position", "left", "items")]
        m.d.comb += self.check("own section", (own[0] == active) & (~active | (Cat(*own[1:]) == Cat(position, left, items))))
        block = 16 - position[:4]  # beats up to the next multiple of 16
        with m.If(dut.request.valid):
            m.d.comb += [
                self.check("in a section", active),
                self.check("place", (request.region == Region.PROGRAM) & (request.offset == (position << beat_bits)[:32])),
                self.check("length", (request.beats != 0) & (request.beats <= left) & (request.beats <= block)),
                self.check("as long as it can be", (request.beats == left) | (request.beats == block)),
            ]
        stuck = active & (left != 0) & ~dut.request.valid
        m.d.comb += self.check("asks if there is room", ~stuck | (outstanding + buffer.inside > dut.BUFFER_BEATS - 16))


PROOFS = [Proof(Fetched, {"name": "base"}), Proof(Fetched, {"name": "wide"}, quick=False)]
