"""Proofs of rtl.encoder."""

from amaranth import Array, Cat, Const, Mux, Signal

from quiesce.rtl.backend.mask_packer import MaskPacker
from quiesce.rtl.backend.value_packer import ValuePacker
from quiesce.spec.config import preset
from tests.formal.harness import Harness
from tests.formal.proof import Proof
from tests.formal.rules import stable, stream_held


class Masks(Harness):
    """Each mask bit of a beat is that of the channel at its place in the row, and 0 behind the row's last one; a row has
    ``mask_beats`` beats, and only the last one is marked.

    Assumed: chunks of a row have the same number of bits, a power of two, and no more than its beats hold.
    """

    def __init__(self, name: str, **options):
        self.config = preset(name)
        super().__init__(lambda: MaskPacker(self.config), **options)

    def describe(self, m):
        dut, chunk, width = self.dut, self.dut.i_chunks.payload, self.config.data_width
        self.free_inputs(m)
        stable(self, m, dut.mask_beats, "mask_beats")
        stream_held(self, m, dut.o_beats, "o_beats")
        log2 = self.constant(m, range(self.config.post_units.bit_length()), name="log2")
        at = self.constant(m, range(width), name="at")  # the bit followed, in all beats
        accept, gives = dut.i_chunks.valid & dut.i_chunks.ready, dut.o_beats.valid & dut.o_beats.ready
        position, beat, padding = Signal(range(width)), Signal(16), Signal()  # of the next chunk in its beat and row
        bit, count = Signal(), Signal(4)
        m.d.comb += count.eq(Const(1, 4) << log2)
        inside = at - position  # of the chunk
        nonzero = Cat(value.as_unsigned().any() for value in chunk.values)
        now = Signal()
        m.d.comb += now.eq(bit | (accept & (at >= position) & (inside < count) & nonzero.bit_select(inside[:4], 1)))
        fills, last = position + count == width, beat + 1 == dut.mask_beats
        full = Signal()  # a beat goes to the output
        m.d.comb += full.eq(Mux(padding, dut.o_beats.ready | ~dut.o_beats.valid, accept & (chunk.row_last | fills)))
        m.d.comb += [
            self.assume("size", (chunk.count == count) & (log2 < self.config.post_units.bit_length())),
            self.assume("channels", (nonzero >> count) == 0),
            self.assume("room", ~accept | ~fills | ~last | chunk.row_last),
            self.assume("some beats", dut.mask_beats != 0),
            self.check("no chunk while padding", ~(padding & accept)),
            self.check("not late", dut.i_chunks.ready | padding | (dut.o_beats.valid & ~dut.o_beats.ready)),
        ]
        shown, shown_last, valid = Signal(), Signal(), Signal()
        m.d.sync += valid.eq((valid & ~gives) | full)
        with m.If(full):
            m.d.sync += [
                shown.eq(now),
                shown_last.eq(last),
                bit.eq(0),
                position.eq(0),
                beat.eq(Mux(last, 0, beat + 1)),
                padding.eq((padding | chunk.row_last) & ~last),
            ]
        with m.Elif(accept):
            m.d.sync += [bit.eq(now), position.eq(position + count)]
        out = dut.o_beats.payload
        own_beat, own_position, own_index, own_padding = map(self.peek, ("beat", "position", "index", "padding"))
        m.d.comb += [
            self.check("valid", dut.o_beats.valid == valid),
            self.check("not empty", ~out.empty),
            self.check("position", (own_position == position) & ((position & (count - 1)) == 0)),
            self.check("beat", (own_index == beat) & (beat < dut.mask_beats) & (own_padding == padding)),
            self.check("packed", own_beat.bit_select(at, 1) == bit),
            self.check("nothing yet", ((at < position) & ~padding) | ~bit),
            self.check("padding begins a beat", ~padding | (position == 0)),
        ]
        with m.If(valid):
            m.d.comb += [
                self.check("bit", out.beat.bit_select(at, 1) == shown),
                self.check("last", out.last == shown_last),
            ]


class Values(Harness):
    """Each nonzero value, any one, lies in its row's beats behind those before it, without a gap; the rest of the last beat is
    zero; a row has as many beats as its values fill, or one that is empty.

    Everything is counted in half bytes.
    """

    def __init__(self, name: str, **options):
        self.config = preset(name)
        super().__init__(lambda: ValuePacker(self.config), **options)

    def describe(self, m):
        dut, chunk, out = self.dut, self.dut.i_chunks.payload, self.dut.o_beats.payload
        full, n_units = 2 * self.config.beat_bytes, self.config.post_units
        self.free_inputs(m)
        stable(self, m, dut.narrow, "narrow")
        stream_held(self, m, dut.o_beats, "o_beats")
        accept, gives = dut.i_chunks.valid & dut.i_chunks.ready, dut.o_beats.valid & dut.o_beats.ready
        size = Mux(dut.narrow, 1, 2)
        nonzero = Cat(value.as_unsigned().any() for value in chunk.values)
        amount = Signal(range(2 * n_units + 1))
        m.d.comb += amount.eq(sum(nonzero) * size)

        # Half bytes of the row so far: in chunks taken, in beats that have left, and between.
        own_values, n_values, own_beat, n_beat = map(self.peek, ("values", "n_values", "beat", "n_beat"))
        row_last, valid = self.peek("row_last"), self.peek("valid")
        moves = self.peek("free") & valid
        # A value, any one, and where it must lie: in which half byte of a beat.
        lane = self.free(range(n_units), name="lane")
        pick = self.free(name="pick")
        value, place = Signal(8), Signal(range(full))
        stage = Signal(2)  # where it is: nowhere, first stage, beat being filled, output
        rank = Signal(range(2 * n_units))  # in the first stage
        taken = Signal(range(full))  # half bytes of the row before the next chunk, modulo those of a beat
        before = Signal(range(2 * n_units + 1))
        m.d.comb += before.eq(sum(bit & (index < lane) for index, bit in enumerate(nonzero)) * size)
        picked = (stage == 0) & accept & pick & nonzero.bit_select(lane, 1)
        with m.If(accept):
            m.d.sync += taken.eq(Mux(chunk.row_last, 0, taken + amount))
        over = n_beat + n_values > full
        with m.Switch(stage):
            with m.Case(0):
                with m.If(picked):
                    m.d.sync += [
                        stage.eq(1),
                        rank.eq(before),
                        place.eq(taken + before),
                        value.eq(Array(each.as_unsigned() for each in chunk.values)[lane]),
                    ]
            with m.Case(1):
                with m.If(moves):
                    m.d.sync += stage.eq(Mux((n_beat + rank >= full) | (~over & ~row_last), 2, 3))
            with m.Case(2):
                with m.If(moves & (over | row_last)):
                    m.d.sync += stage.eq(3)
            with m.Case(3):
                with m.If(gives):
                    m.d.sync += stage.eq(0)
        last_pending = Signal()  # the first stage has the last chunk of its row
        with m.If(accept):
            m.d.sync += last_pending.eq(chunk.row_last)
        waiting = n_beat + Mux(valid, n_values, 0)

        def at(bits, place):
            shown = (bits >> Cat(Const(0, 2), place))[:8]
            return Mux(dut.narrow, shown[:4] == value[:4], shown == value)

        m.d.comb += [
            self.assume("fits", ~dut.narrow | Cat((each >= -8) & (each < 8) for each in chunk.values).all()),
            self.assume("lane", lane < n_units),
            self.check("even", dut.narrow | ~(n_beat[0] | n_values[0] | taken[0])),
            self.check("counts", (n_beat <= full) & (n_values <= 2 * n_units)),
            self.check("taken", Mux(valid & row_last, taken == 0, taken == waiting[: len(taken)])),
            self.check(
                "first stage",
                (stage != 1)
                | (valid & (rank + size <= n_values) & at(own_values, rank) & (place == (n_beat + rank)[: len(place)])),
            ),
            self.check("being filled", (stage != 2) | ((place + size <= n_beat) & at(own_beat, place))),
            self.check("given", (stage != 3) | (dut.o_beats.valid & at(out.beat, place) & ~out.empty)),
        ]
        # Behind what there is, zeros.
        z = self.constant(m, range(full), name="z")
        zero_out, n_out = Signal(), Signal(range(full + 1))
        with m.If(moves & (over | row_last)):
            m.d.sync += n_out.eq(Mux(over, full, n_beat + n_values))
        m.d.comb += [
            zero_out.eq(out.beat.word_select(z, 4) == 0),
            self.check(
                "values end",
                (z < n_values) | (z >= 2 * n_units) | (own_values.word_select(z[: (2 * n_units - 1).bit_length()], 4) == 0),
            ),
            self.check("beat ends", (z < n_beat) | (own_beat.word_select(z, 4) == 0)),
        ]
        with m.If(dut.o_beats.valid):
            m.d.comb += [
                self.check("zeros behind", (z < n_out) | zero_out),
                self.check("empty", out.empty == (n_out == 0)),
                self.check("full but for the last", out.last | (n_out == full)),
            ]
        with m.If(dut.o_beats.valid & out.last):
            m.d.comb += self.check("row is over", n_beat == 0)


PROOFS = [
    *(Proof(Masks, {"name": name}) for name in ("base", "wide")),
    Proof(Values, {"name": "tiny"}),
]
