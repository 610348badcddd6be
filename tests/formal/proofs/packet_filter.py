"""Proofs of rtl.packet_filter."""

from amaranth import Const, Mux, Signal

from quiesce.rtl.program.packet_filter import PacketFilter
from quiesce.spec.config import preset
from quiesce.spec.isa import BARRIERS, HEADER, Opcode
from tests.formal.harness import Harness
from tests.formal.proof import Proof
from tests.formal.rules import held_bits


def payload_beats(opcode, count, data_width: int, mask_width: int):
    """Beats behind a header."""
    masks, words = data_width // mask_width, data_width // 64
    return Mux(
        opcode == Opcode.MASKS,
        (count + masks - 1) // masks,
        Mux(
            opcode == Opcode.VALUES,
            count,
            Mux((opcode == Opcode.PARAMS) | (opcode == Opcode.PASS), (count + words - 1) // words, 0),
        ),
    )


class Whole(Harness):
    """A packet is passed on whole or not at all, unchanged and in order: those behind a CORES that selects this core, or none
    since the last barrier; barriers always, no earlier than they are released, and CORES never."""

    def __init__(self, name: str, n_cores: int, index: int, **options):
        self.config, self.index = preset(name, n_cores=n_cores), index
        super().__init__(lambda: PacketFilter(self.config, index), **options)

    def describe(self, m):
        dut, beat = self.dut, self.dut.i_beats.payload
        self.free_inputs(m)
        held_bits(self, m, "i_beats", dut.i_beats.valid, dut.i_beats.ready, beat, assume=True)
        opcode, dest, count = (beat[HEADER[name].bits] for name in ("opcode", "dest", "count"))
        left, passes, selected, bad = Signal(17), Signal(), Signal(init=1), Signal()  # beats left of the packet; it is passed on
        header = left == 0
        barrier = header & ((opcode == BARRIERS[0]) | (opcode == BARRIERS[1]))
        cores = header & (opcode == Opcode.CORES)
        wanted, taken = Signal(), Signal()
        m.d.comb += [
            wanted.eq(Mux(header, (selected & ~cores) | barrier, passes)),
            taken.eq(dut.i_beats.valid & dut.i_beats.ready),
            self.assume("cores are released at a barrier", ~dut.release | dut.at_barrier),
            self.assume("and take it", ~dut.release | dut.o_beats.ready),
            self.check("unchanged", dut.o_beats.payload == beat),
            self.check("passes", dut.o_beats.valid == (dut.i_beats.valid & wanted & (~barrier | dut.release))),
            self.check(
                "takes", ~dut.i_beats.valid | (dut.i_beats.ready == Mux(wanted, dut.o_beats.valid & dut.o_beats.ready, 1))
            ),
            self.check("at a barrier", dut.at_barrier == (dut.i_beats.valid & barrier & dut.idle)),
            self.check("bad packet", dut.bad_packet == bad),
            self.check("same packet", (self.peek("left") == left) & (header | (self.peek("passing") == passes))),
            self.check("same selection", self.peek("selected") == selected),
        ]
        with m.If(taken):
            m.d.sync += left.eq(
                Mux(header, payload_beats(opcode, count, self.config.data_width, self.config.mask_width), left - 1)
            )
            with m.If(header):
                m.d.sync += passes.eq(wanted)
            with m.If(barrier):
                m.d.sync += selected.eq(1)
            with m.If(cores):
                m.d.sync += [
                    selected.eq(dest[self.index]),
                    bad.eq(bad | (dest == 0) | ((dest & Const(0xFFFF << self.config.n_cores & 0xFFFF, 16)) != 0)),
                ]


PROOFS = [
    Proof(Whole, {"name": "tiny", "n_cores": 1, "index": 0}),
    Proof(Whole, {"name": "base", "n_cores": 4, "index": 2}),
    Proof(Whole, {"name": "wide", "n_cores": 8, "index": 7}),
]
