"""Proofs of rtl.detector."""

from amaranth import Cat, Const, Mux, Signal, Value

from quiesce.rtl.frontend.detector import Detector
from quiesce.rtl.lib.bits import popcount
from quiesce.spec.config import preset
from tests.formal.harness import Harness
from tests.formal.proof import Proof
from tests.formal.rules import held_bits, stable


class EachOnce(Harness):
    """Every activation of a word that counts leaves exactly once, lowest first, with its column, channel and context, and the
    address of its own value, which has been written; with ``emit_zeros`` so do those that are zero. A word that goes back to its
    unit's first value, losers, several pixels in a word and the end of a row change nothing about it.

    Assumed: no bit is set where there is no activation; a word goes back only to a unit that is not released; the ring is not
    written over what has not been freed.
    """

    def __init__(self, width: int, winners: bool, **options):
        self.config = preset("tiny", detector_width=width, act_depth=64, winner_depth=64 if winners else 0)
        super().__init__(lambda: Detector(self.config), **options)

    def describe(self, m):
        dut, config, item, found = self.dut, self.dut.config, self.dut.i_words.payload, self.dut.o_found.payload
        core, width = self.config, self.config.detector_width
        beat_bits = (2 * core.beat_bytes).bit_length() - 1
        pointer, room = len(dut.value_written) + beat_bits, core.act_depth << beat_bits
        self.free_inputs(m)
        held_bits(self, m, "i_words", dut.i_words.valid, dut.i_words.ready, item, dut.mask_data, assume=True)
        stable(self, m, Cat(Value.cast(config), dut.emit_zeros), "config")
        accept, out = dut.i_words.valid & dut.i_words.ready, dut.o_found.valid & dut.o_found.ready

        exists, counts = Signal(width), Signal(width)
        pixels = Mux(item.plane_end, config.row_mask, config.word_mask)
        m.d.comb += exists.eq(Mux(config.multi_pixel, pixels, (Const(1, width + 1) << item.n_chans) - 1))
        marks = Const(-1, width)
        if core.winner_depth:
            below_pitch = (Const(1, width) << config.pitch_log2)[:width] - 1
            marks = Cat(
                ~config.in_ranked
                | dut.marks.bit_select(Mux(config.multi_pixel, index & below_pitch, index)[: width.bit_length() - 1], 1)
                for index in range(width)
            )
        m.d.comb += [
            counts.eq(dut.mask_data & marks),
            self.assume("channels", item.n_chans <= width),
            self.assume("pitch", (1 << config.pitch_log2) < width),
            self.assume("no bit without activation", item.row_end | ((dut.mask_data & ~exists) == 0)),
            self.assume("row_end", ~item.row_end | ~(item.save | item.rewind | item.release | item.plane_end)),
        ]

        # The word, what is left of it, its values, those passed, and where the first one lies.
        active, word, left = Signal(), Signal(item.shape()), Signal(width)
        stored, present, passed = Signal(width), Signal(width), Signal(width)
        start, unit, live = Signal(pointer), Signal(pointer), Signal()
        low, bit = Signal(width), Signal(range(width))
        for index in reversed(range(width)):
            with m.If(left[index]):
                m.d.comb += [low.eq(1 << index), bit.eq(index)]

        def behind(bits):
            """Where the value behind those of ``bits`` lies."""
            return (start + (popcount(present & bits) << ~config.in_narrow))[:pointer]

        address, end, total = Signal(pointer), Signal(pointer), Signal(pointer)
        more, gone = (left & ~low) != 0, Signal()  # the word has been searched
        m.d.comb += [
            address.eq(behind((low - 1)[:width])),
            total.eq(behind(Const(-1, width))),
            end.eq(
                Mux(
                    word.plane_end & word.release,
                    Cat(Const(0, beat_bits), (total + (1 << beat_bits) - 1)[beat_bits:pointer]),
                    total,
                )
            ),
            gone.eq(active & self.peek("finished")),
        ]
        here = Signal(pointer)  # value that comes next
        m.d.comb += here.eq(behind(passed))
        after = Mux(gone, end, start)
        with m.If(out):
            m.d.sync += [left.eq(left & ~low), passed.eq(passed | low | (low - 1)[:width])]
        with m.If(gone):
            m.d.sync += [active.eq(0), start.eq(end), present.eq(0), passed.eq(0)]
        with m.If(accept):
            m.d.sync += [
                active.eq(1),
                Value.cast(word).eq(Value.cast(item)),
                stored.eq(counts),
                passed.eq(0),
                left.eq(Mux(item.row_end, 0, Mux(dut.emit_zeros, exists, counts))),
                present.eq(Mux(item.row_end, 0, dut.mask_data)),
                live.eq((live | item.save) & ~item.release),
            ]
            m.d.comb += self.assume("goes back to a unit", ~item.rewind | (live & ~item.save))
            with m.If(item.save):
                m.d.sync += unit.eq(after)
            with m.If(item.rewind):
                m.d.sync += start.eq(unit)

        freed = dut.value_freed << beat_bits
        written, here_at, unit_at = ((each - freed)[:pointer] for each in (dut.value_written << beat_bits, here, unit))
        address_at = (address - freed)[:pointer]
        before = Signal.like(dut.value_written)
        m.d.sync += before.eq(dut.value_written)
        own_ptr, own_unit = self.peek("value_ptr"), self.peek("unit_ptr")
        m.d.comb += [
            self.assume("ring", written <= room),
            self.assume("written one by one", (dut.value_written - before)[: len(before)] <= 1),
            self.check("active", dut.busy == active),
            self.check("left", self.peek("pending") == left),
            self.check("lost nothing", ~gone | ~(more | ((left != 0) & ~out))),
            self.check("no bubble", gone | ~out | more),
            self.check("a cycle without any", gone | ~active | word.row_end | (left != 0) | dut.waiting_values),
            self.check("word", ~active | (self.peek("word") == Value.cast(word))),
            self.check("bits", ~active | (self.peek("stored") == stored)),
            self.check("pointer", own_ptr == here),
            self.check("unit", ~live | (own_unit == unit)),
            self.check("only while active", active | ((left == 0) & (present == 0) & (passed == 0))),
            self.check("passed", ((passed & left) == 0) & ((stored & ~present) == 0) | ~active | word.row_end),
            self.check("passed from below", (passed & (passed + 1)) == 0),
            self.check("values left", ~active | word.row_end | (((stored & ~passed) & ~left) == 0)),
            self.check("all values count", Const(core.winner_depth != 0) | ~active | word.row_end | (stored == present)),
            self.check("whole bytes", config.in_narrow | ~(start[0] | (live & unit[0]))),
            self.check("unit is in use", ~(live & active & word.release)),
            self.check("row ends", ~active | ~word.row_end | ((left == 0) & (present == 0) & ~(word.release | word.plane_end))),
            self.check("behind what is freed", here_at <= written),
            self.check("unit is kept", ~live | (unit_at <= here_at)),
        ]
        if core.winner_depth:
            unread, n_unread = self.peek("unread"), self.peek("n_unread")
            m.d.comb += self.check(
                "unread", ~active | ((unread == (present & ~passed)) & (n_unread == popcount(present & ~passed)))
            )
        with m.If(out):
            m.d.comb += [
                self.check("of a word", active & ((left != 0) | word.row_end)),
                self.check(
                    "channel",
                    found.chan
                    == (word.chan + Mux(config.multi_pixel, bit & ((1 << config.pitch_log2) - 1), bit))[: len(found.chan)],
                ),
                self.check(
                    "column", found.col == (word.col + Mux(config.multi_pixel, bit >> config.pitch_log2, 0))[: len(found.col)]
                ),
                self.check(
                    "place",
                    Cat(found.ctx_slot, found.ctx_acc, found.kshift, found.last_group, found.first_ctx, found.row_end)
                    == Cat(word.ctx_slot, word.ctx_acc, word.kshift, word.last_group, word.first_ctx, word.row_end),
                ),
                self.check("nonzero", found.nonzero == ((stored & low) != 0)),
            ]
        m.d.comb += self.check("reads", dut.value_en == (out & found.nonzero))
        with m.If(dut.value_en):
            m.d.comb += [
                self.check("address", dut.value_addr == address[: len(dut.value_addr)]),
                self.check("written", address_at + Mux(config.in_narrow, 1, 2) <= written),
            ]


PROOFS = [
    Proof(EachOnce, {"width": 16, "winners": False}),
    Proof(EachOnce, {"width": 16, "winners": True}, quick=False),
]
