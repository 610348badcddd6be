"""Proofs of rtl.weight_rows."""

from amaranth import Signal

from quiesce.rtl.pe.weight_rows import WeightRows
from quiesce.rtl.pe.weight_select import WeightSelect
from quiesce.spec.config import preset
from tests.formal.harness import Harness
from tests.formal.proof import Proof
from tests.formal.rules import stable


class Fetched(Harness):
    """The weight shown is that of the row as it was when it was asked for, though a row is read once for all its weights."""

    def __init__(self, name: str, **options):
        self.config = preset(name)
        super().__init__(lambda: WeightRows(self.config), **options)

    def describe(self, m):
        dut, config = self.dut, self.config
        self.free_inputs(m)
        m.d.comb += self.assume("a width", dut.weight_log2 <= 2)
        k = self.constant(m, range(config.weight_depth), name="k")  # a row
        stable(self, m, dut.weight_log2, "weight_log2")
        row, loads = self.one_word(m, "rows", at=k), dut.load.row_en & (dut.load.row_addr == k)
        known, loaded = Signal(), Signal.like(dut.load.row)
        with m.If(loads):
            m.d.sync += [known.eq(1), loaded.eq(dut.load.row)]
        with m.If(known):
            m.d.comb += self.check("loaded", row == loaded)
        wanted = Signal(range(config.weight_depth))
        for log2, bits in enumerate((8, 4, 2)):
            with m.If(dut.weight_log2 == log2):
                m.d.comb += wanted.eq(dut.index >> (config.words_per_row(bits) - 1).bit_length())
        asked, seen, word = Signal(), Signal(config.data_width), Signal.like(dut.index)  # row k was asked for, and held this
        with m.If(dut.en):
            m.d.sync += [asked.eq(known & ~loads & (wanted == k)), seen.eq(loaded), word.eq(dut.index)]
        m.submodules.select = select = WeightSelect(config)
        m.d.comb += [select.packed.eq(seen), select.weight_log2.eq(dut.weight_log2), select.word.eq(word)]
        with m.If(asked):
            m.d.comb += [
                self.check("row", self.peek("rows", "read_data") == seen),
                self.check("weight", dut.weight == select.weight),
            ]  # fmt: skip

        # Economy: a row that has just been read is not read again, unless rows were loaded.
        last, fresh = Signal.like(wanted), Signal()
        with m.If(dut.en):
            m.d.sync += [last.eq(wanted), fresh.eq(1)]
        with m.If(dut.load.row_en):
            m.d.sync += fresh.eq(0)
        m.d.comb += self.check("reads", dut.row_read == (dut.en & ~(fresh & (last == wanted))))
        m.d.comb += self.check("held", (self.peek("held") == fresh) & (~fresh | (self.peek("held_row") == last)))
        with m.If(fresh & (last == k) & known):
            m.d.comb += self.check("row is still the same", self.peek("rows", "read_data") == row)


PROOFS = [Proof(Fetched, {"name": name}) for name in ("base", "wide")]
