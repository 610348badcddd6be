"""Proofs of rtl.pass_stages."""

from amaranth import Mux, Signal, Value

from quiesce.rtl.core.pass_stages import PassStages
from quiesce.rtl.lib.layouts import pass_layout
from quiesce.spec.config import preset
from quiesce.spec.isa import Region
from tests.formal.harness import Harness
from tests.formal.proof import Proof

FIELDS = ("in_offset", "in_region", "out_offset", "out_region", "n_positions", "valid_chans", "clip_low")
PARTS = ("reader", "front", "array", "back")


class Own(Harness):
    """While a part works on a pass, any one, its settings are those of that pass, whatever has been offered since.

    All parts have the same fields, of each kind some. The order of the parts is assumed, as it is proved of pass_control.
    """

    def __init__(self, mask_width: int, **options):
        self.config = preset("tiny", mask_width=mask_width)
        super().__init__(lambda: PassStages(self.config, **{f"{part}_fields": FIELDS for part in PARTS}), **options)

    def describe(self, m):
        dut = self.dut
        self.free_inputs(m, but=("offered", "positions", "input_offset", "output_offset"))
        # The pass followed: what the sequencer offers, and what it adds for the item; the others are free.
        chosen = Signal(pass_layout(*FIELDS))
        m.d.comb += Value.cast(chosen).eq(self.constant(m, chosen.shape().size, name="chosen_bits"))
        offsets = {side: self.constant(m, 32, name=f"{side}_chosen_offset") for side in ("input", "output")}
        positions = [self.constant(m, len(Value.cast(entry)), name=f"position_{p}") for p, entry in enumerate(dut.positions)]
        here, pick = Signal(), self.free(name="pick")  # it is offered: from the reader's start to that of the array
        read, scanned = Signal(), Signal()  # reader and front have begun what is offered
        on = {part: Signal(name=f"{part}_on") for part in PARTS}  # parts that work on it
        waits, offered_now = Signal(), Signal()
        m.d.comb += offered_now.eq(here | (pick & dut.reader_start & ~read))
        with m.If(dut.reader_start):
            m.d.sync += [read.eq(1), here.eq(offered_now), on["reader"].eq(offered_now)]
        with m.If(dut.front_start):
            m.d.sync += [scanned.eq(1), on["front"].eq(here)]
        with m.If(dut.array_start):
            m.d.sync += [read.eq(0), scanned.eq(0), here.eq(0), waits.eq(1), on["array"].eq(here)]
        with m.If(dut.back_start):
            m.d.sync += [waits.eq(0), on["back"].eq(on["array"])]
        m.d.comb += [
            self.assume("reader in order", ~dut.reader_start | ~read),
            self.assume("front in order", ~dut.front_start | (read & ~scanned)),
            self.assume("array in order", ~dut.array_start | (scanned & ~waits)),
            self.assume("back in order", ~dut.back_start | waits),
        ]
        for target, value in [
            (dut.input_offset, offsets["input"]),
            (dut.output_offset, offsets["output"]),
            *((dut.offered[field], chosen[field]) for field in FIELDS),
            *zip(dut.positions, positions, strict=True),
        ]:
            other = self.free(len(Value.cast(target)), name=f"other_{len(self.inputs)}")
            m.d.comb += Value.cast(target).eq(Mux(offered_now, Value.cast(value), other))

        own = Signal.like(chosen)  # with the item's offsets
        m.d.comb += [
            own.eq(chosen),
            own.in_offset.eq(chosen.in_offset + Mux(chosen.in_region == Region.INPUT, offsets["input"], 0)),
        ]
        out_offset = (chosen.out_offset + Mux(chosen.out_region == Region.OUTPUT, offsets["output"], 0))[:32]
        for part in PARTS:
            for field in FIELDS:
                expected = own[field] if part == "reader" else chosen[field]
                if field == "out_offset" and part in ("array", "back"):
                    expected = out_offset
                with m.If(on[part]):
                    m.d.comb += self.check(f"{part} {field}", getattr(dut, part)[field] == expected)
        for p, position in enumerate(positions):
            entry = Signal.like(dut.positions[p])
            m.d.comb += Value.cast(entry).eq(position)
            with m.If(on["front"]):
                m.d.comb += [
                    self.check(f"front position {p}", (dut.dr[p] == entry.dr) & (dut.dc[p] == entry.dc)),
                    self.check(f"front has position {p}", dut.exists[p] == (chosen.n_positions > p)),
                ]
            with m.If(on["array"]):
                m.d.comb += self.check(f"array position {p}", dut.offset[p] == entry.offset)


PROOFS = [Proof(Own, {"mask_width": 16})]
