"""Proofs of rtl.postprocess."""

from unittest.mock import patch

from amaranth import Array, Cat, Module, Mux, Signal
from amaranth.lib import data

from quiesce.rtl.backend.postprocess import PostProcess
from quiesce.rtl.backend.requantize import PARAM_LAYOUT, Requantize
from quiesce.spec.config import preset
from tests.formal.harness import Harness
from tests.formal.proof import Proof
from tests.formal.rules import stable, stream_held


class Passed(Requantize):
    """In place of the arithmetic, which has proofs of its own: the lowest bits of both operands through the same stages."""

    def elaborate(self, platform):
        m = Module()
        stage = (self.i_psum ^ self.i_param.as_value())[:8]
        stages = [Signal(8, reset_less=True, name=f"stage_{index}") for index in range(self.LATENCY)]
        for enable, register, before in zip(self.en, stages, [stage, *stages], strict=False):
            with m.If(enable):
                m.d.sync += register.eq(before)
        m.d.comb += self.o_value.eq(stages[-1])
        return m


class Cut(Harness):
    """Each activation comes from the sum and the parameters of its own channel, in the order of pixels, though a group may arrive
    before its pass has begun here, with the settings of another pass; channels that do not exist are zero."""

    def __init__(self, name: str, **options):
        self.config = preset(name)
        super().__init__(lambda: PostProcess(self.config), **options)

    def elaborate(self, platform):
        with patch("quiesce.rtl.backend.postprocess.Requantize", Passed):
            return super().elaborate(platform)

    def describe(self, m):
        dut, core, config = self.dut, self.config, self.dut.config
        units, slices = core.post_units, core.lanes // core.post_units
        slice_bits, unit_bits = slices.bit_length() - 1, units.bit_length() - 1
        self.free_inputs(m)
        stream_held(self, m, dut.i_psums, "i_psums", assume=True)
        stream_held(self, m, dut.o_chunks, "o_chunks")
        stable(self, m, config.as_value(), "config", when=~dut.start)
        valid = self.peek("valid")
        chunk, cols, rows = Signal(12), Signal(16), Signal(16)  # the next chunk of the pixel; pixels and rows left
        m.d.comb += [
            self.assume("begins when empty", ~dut.start | ((rows == 0) & ~valid.any())),
            self.assume("chunks", (config.chunks != 0) & (config.chunks > (config.n_groups - 1) << slice_bits)),
            self.assume("groups", (config.n_groups != 0) & (config.n_out_cols != 0)),
            self.assume("channels in groups", config.valid_chans <= config.n_groups * core.lanes),
            self.assume("channels in chunks", config.valid_chans <= config.chunks * units),
        ]

        # What is cut when, from the settings of the pass.
        out = dut.o_chunks
        held, group, used = Signal(), Signal(dut.i_psums.payload.sums.shape()), Signal(slices)
        advance, needs, cut, last = out.ready | ~out.valid, Signal(), Signal(), Signal()
        channel, of_group = Signal(16), Signal(max(1, slice_bits))
        row_last, group_done = Signal(), Signal()
        m.d.comb += [
            needs.eq((chunk >> slice_bits) < config.n_groups), cut.eq(advance & (rows != 0) & (held | ~needs)),
            last.eq(chunk + 1 == config.chunks), row_last.eq(last & (cols == 1)),
            of_group.eq(chunk[:slice_bits]), group_done.eq(needs & (last | (of_group == slices - 1))),
        ]  # fmt: skip
        with m.If(cut):
            m.d.sync += [
                chunk.eq(Mux(last, 0, chunk + 1)),
                cols.eq(Mux(row_last, config.n_out_cols, cols - last)),
                rows.eq(rows - row_last),
            ]
        with m.If(dut.start):
            m.d.sync += [chunk.eq(0), cols.eq(config.n_out_cols), rows.eq(config.n_out_rows)]
        left = Mux(needs, config.n_groups - (chunk >> slice_bits), 0)
        m.d.comb += [
            self.check("own rows", self.peek("walk", "rows_left") == rows),
            self.check("held", self.peek("group_valid") == held),
        ]
        with m.If(rows != 0):
            m.d.comb += [
                self.check("own chunk", (self.peek("walk", "chunk") == chunk) & (self.peek("walk", "slice") == of_group)),
                self.check("own groups", self.peek("walk", "groups_left") == left),
                self.check("own columns", self.peek("walk", "cols_left") == cols),
                self.check("in range", (chunk < config.chunks) & (cols != 0)),
            ]
        takes = dut.i_psums.valid & dut.i_psums.ready
        m.d.comb += self.check("takes a group", dut.i_psums.ready == (~held | (cut & group_done)))
        with m.If(dut.i_psums.ready):
            m.d.sync += held.eq(takes)
        with m.If(takes):
            m.d.sync += [group.eq(dut.i_psums.payload.sums), used.eq(dut.i_psums.payload.used)]

        # One unit, any one, with the parameters of one row of their memory.
        unit = self.constant(m, range(max(2, units)), name="unit") if units > 1 else 0
        row = self.constant(m, (core.param_depth // units - 1).bit_length(), name="row")
        word = data.View(data.ArrayLayout(PARAM_LAYOUT, units), self.one_word(m, "params", at=row))
        m.d.comb += [channel.eq(chunk * units + unit)]
        exists = channel < config.valid_chans
        sums = Signal(core.acc_width)
        m.d.comb += [
            sums.eq(Array(group)[of_group * units + unit]),
            self.assume("used", ~(cut & exists) | used.bit_select(of_group, 1)),
            self.assume("parameters at rest", ~(cut & dut.param_en & (dut.param_chan[unit_bits:][: len(row)] == row))),
        ]
        parameters = self.peek("params", "read_data").word_select(unit, PARAM_LAYOUT.size)
        psum = Array(self.peek(f"psum_{index}") for index in range(units))[unit]
        was_cut, was_here, was_sum, was_param = Signal(), Signal(), Signal(core.acc_width), Signal(PARAM_LAYOUT.size)
        with m.If(cut):
            m.d.sync += [
                was_sum.eq(sums), was_param.eq(Array(word)[unit].as_value()), was_cut.eq(exists),
                was_here.eq(exists & ((config.param_row + chunk)[: len(row)] == row)),
            ]  # fmt: skip
        with m.If(was_cut & valid[0]):
            m.d.comb += self.check("sum", psum.as_unsigned() == was_sum)
        with m.If(was_here & valid[0]):
            m.d.comb += self.check("parameters", parameters == was_param)
        with m.If(held):
            for index in range(slices):
                with m.If(used[index]):
                    own = self.peek(f"group_{index}")
                    m.d.comb += self.check(f"slice {index}", own == group.as_value().word_select(index, len(own)))

        # Through the stages: nothing is mixed up while the consumer stalls.
        first = Signal(8)
        m.d.comb += first.eq((psum ^ parameters)[:8])
        self.through(m, advance, cut, exists, row_last, first, valid, unit, out)

    def through(self, m, advance, cut, exists, row_last, first, valid, unit, out):
        """A chunk keeps its flags and value on its way through the stages."""
        flags = [Signal(2, name=f"flags_{stage}") for stage in range(len(valid))]
        values = [Signal(8, name=f"result_{stage}") for stage in range(len(valid) - 1)]
        with m.If(advance):
            m.d.sync += [here.eq(before) for here, before in zip(flags[1:], flags, strict=False)]
            m.d.sync += [here.eq(before) for here, before in zip(values, [first, *values], strict=False)]
        with m.If(cut):
            m.d.sync += flags[0].eq(Cat(exists, row_last))
        live = Signal(len(valid))
        with m.If(advance):
            m.d.sync += live.eq((live << 1) | cut)
        m.d.comb += self.check("stages", valid == live)
        with m.If(out.valid):
            m.d.comb += [
                self.check("row last", out.payload.row_last == flags[-1][1]),
                self.check("value", Array(out.payload.values)[unit].as_unsigned() == Mux(flags[-1][0], values[-1], 0)),
                self.check("bits", out.payload.count == self.dut.config.chunk_bits),
            ]
        names = [f"tag_{stage}" for stage in range(len(valid))]
        for stage, name in enumerate(names):
            with m.If(valid[stage]):
                tag = self.peek(name)
                m.d.comb += self.check(f"flags {stage}", Cat(tag.bit_select(unit, 1), tag[-1]) == flags[stage])
        for stage, value in enumerate(values):
            own = Array(self.peek(f"unit_{index}", f"stage_{stage}") for index in range(self.config.post_units))[unit]
            with m.If(valid[stage + 1] & flags[stage + 1][0]):
                m.d.comb += self.check(f"stage {stage}", own == value)


PROOFS = [Proof(Cut, {"name": name}) for name in ("tiny", "base")]
