"""Proofs of rtl.weight_select."""

from amaranth import Signal, signed

from quiesce.rtl.pe.weight_select import WeightSelect
from quiesce.spec.config import preset
from tests.formal.harness import Harness
from tests.formal.proof import Proof


class Selected(Harness):
    """Each lane's weight is its bits of the row, counted from bit 0, sign-extended to eight."""

    def __init__(self, name: str, **options):
        self.config = preset(name)
        super().__init__(lambda: WeightSelect(self.config), **options)

    def describe(self, m):
        dut, lanes = self.dut, self.config.n_lanes
        self.free_inputs(m)
        lane = self.constant(m, range(lanes), name="lane")
        for log2, bits in enumerate((8, 4, 2)):
            first = dut.word[: (self.config.words_per_row(bits) - 1).bit_length()] * (bits * lanes) + lane * bits
            weight = Signal(signed(bits), name=f"weight_{bits}")
            m.d.comb += weight.eq(dut.packed >> first)
            with m.If(dut.weight_log2 == log2):
                m.d.comb += self.check(f"weight of {bits} bits", dut.weight.word_select(lane, 8).as_signed() == weight)


PROOFS = [Proof(Selected, {"name": name}) for name in ("base", "wide")]
