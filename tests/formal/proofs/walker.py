"""Proofs of rtl.walker."""

from amaranth import Cat, Const, Module, Mux, Signal, Value

from quiesce.rtl.lib.bits import popcount
from quiesce.rtl.pe.walker import Walker
from quiesce.spec.config import preset
from tests.formal.harness import Harness
from tests.formal.proof import Proof
from tests.formal.rules import stable


class EachOnce(Harness):
    """Every wanted bit of every event leaves once, lowest first, with the rank of its weight, its position and its accumulator;
    nothing else leaves, and a row ends behind the operations of its events. There is no bubble: the next bit, or the next event
    that is there, is never late."""

    def __init__(self, mask_width: int, **options):
        self.config = preset("tiny", mask_width=mask_width)
        super().__init__(lambda: Walker(self.config), **options)

    def describe(self, m: Module):
        dut, width = self.dut, self.config.mask_width
        word_log2 = width.bit_length() - 1
        event, context, o = dut.i_event.payload, dut.i_context.payload, dut.o
        self.free_inputs(m)
        for value, name in ((dut.dense, "dense"), (dut.slot_log2, "slot_log2")):
            stable(self, m, value, name)
        kept, read = Signal(len(Value.cast(dut.mask)), reset_less=True), Signal()  # the mask memory holds its output
        m.d.sync += [kept.eq(Value.cast(dut.mask)), read.eq(dut.mask_en)]
        m.d.comb += [
            self.assume("slot size", dut.slot_log2 <= word_log2),
            self.assume("mask is held", read | (Value.cast(dut.mask) == kept)),
        ]

        # Three stages with an event or operation each: waiting for the walk, walked, and given.
        waits, closes, value, slot_bit = Signal(), Signal(), Signal(8), Signal(len(event.slot))
        held = Signal(context.shape(), reset_less=True)
        wanted, left, low = Signal(width), Signal(width), Signal(width)
        walk_mask, walk_value, base, fresh, end = (
            Signal(dut.mask.shape()),
            Signal(8),
            Signal.like(context.base),
            Signal(),
            Signal(),
        )
        gives, bit, first, row_end = Signal(), Signal(word_log2), Signal(), Signal()
        bits = Mux(dut.dense, ~Const(0, width), dut.mask.mask)
        next_bit = Signal(word_log2)
        for index in reversed(range(width)):
            with m.If(left[index]):
                m.d.comb += next_bit.eq(index)
        m.d.comb += [
            wanted.eq((held.mask << slot_bit[:word_log2])[:width] & bits),
            low.eq(Const(1, width) << next_bit),
        ]
        over = Signal()  # the walk can take the next event
        m.d.comb += over.eq((left & ~low) == 0)
        skip = ~closes & (wanted == 0)
        accept = dut.i_event.ready
        m.d.comb += [
            self.check(
                "accepts what is there",
                dut.i_event.ready == (dut.i_event.valid & (~event.first | dut.i_context.valid) & (~waits | over | skip)),
            ),
            self.check("takes a context", dut.i_context.ready == (accept & event.first)),
            self.check("reads a mask", dut.mask_en == (accept & ~event.row_end)),
            self.check("mask", ~dut.mask_en | (dut.mask_addr == ((event.slot << dut.slot_log2)[: len(event.slot)] >> word_log2))),
        ]
        with m.If(~waits | over | skip):
            m.d.sync += waits.eq(accept)
        with m.If(accept):
            m.d.sync += [closes.eq(event.row_end), value.eq(event.value), slot_bit.eq(event.slot << dut.slot_log2)]
            with m.If(event.first):
                m.d.sync += held.eq(context)
        begins = waits & over & ~closes & ~skip
        m.d.sync += [left.eq(Mux(begins, wanted, left & ~low)), fresh.eq(begins)]
        with m.If(begins):
            m.d.sync += [walk_mask.eq(dut.mask), walk_value.eq(value), base.eq(held.base)]
        with m.If(over):
            m.d.sync += end.eq(waits & closes)
        given_mask, given_value, given_base = Signal.like(walk_mask), Signal(8), Signal.like(base)
        m.d.sync += [gives.eq(left != 0), bit.eq(next_bit), first.eq(fresh), row_end.eq(end)]
        with m.If(left != 0):
            m.d.sync += [given_mask.eq(walk_mask), given_value.eq(walk_value), given_base.eq(base)]

        below = given_mask.mask & ((Const(1, width) << bit) - 1)[:width]
        m.d.comb += [
            self.check("gives", dut.o_valid == gives),
            self.check("row end", dut.row_end == row_end),
            self.check("busy", dut.busy == (waits | (left != 0) | end | gives | row_end)),
            self.check("fetch", (self.peek("fetch_row_end") == closes) | ~waits),
            self.check(
                "fetched",
                ~waits | ((self.peek("shift") == slot_bit[:word_log2]) & (self.peek("fetch_value").as_unsigned() == value)),
            ),
            self.check("context", self.peek("held") == Value.cast(held)),
            self.check("walk", Cat(self.peek(f"walk_bits_{byte}") for byte in range(width // 8)) == left),
            self.check("ends", (self.peek("walk_row_end") == end) & (~end | (left == 0))),
            self.check("fresh", (self.peek("fresh") == fresh) & (~fresh | (left != 0))),
        ]
        with m.If(left != 0):
            m.d.comb += self.check(
                "walks",
                (self.peek("walk_mask") == Value.cast(walk_mask))
                & (self.peek("walk_base") == base)
                & (self.peek("walk_value").as_unsigned() == walk_value),
            )
        with m.If((left != 0) & ~fresh):  # operations of the same event: the second one and on
            m.d.comb += self.check(
                "same event", gives & (given_mask == walk_mask) & (given_value == walk_value) & (given_base == base)
            )
        with m.If(gives):
            m.d.comb += [
                self.check("index", o.index == (given_mask.index + popcount(below))[: len(o.index)]),
                self.check("index of the event", self.peek("addr_index") == given_mask.index),
                self.check("pruned", o.pruned == ~given_mask.mask.bit_select(bit, 1)),
                self.check("value", o.value.as_unsigned() == given_value),
                self.check("first", o.first == first),
                self.check("position", dut.position == (bit & ((Const(1, word_log2 + 1) << dut.slot_log2) - 1))[:word_log2]),
                self.check("base", self.peek("addr_base") == given_base),
                self.check("address", o.addr == (given_base + dut.offset)[: len(o.addr)]),
            ]


PROOFS = [Proof(EachOnce, {"mask_width": 16})]
