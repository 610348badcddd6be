"""Walker of a PE: events in, one weight address and one accumulator address per cycle out."""

from typing import Any

from amaranth import Cat, Const, Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from quiesce.rtl.lib.bits import bits_for_index, byte_counts, encode_onehot, first_of, from_lowest
from quiesce.rtl.pe.interfaces import acc_addr_width, context_layout, event_layout, mask_entry_layout, operation_layout
from quiesce.spec.config import CoreConfig

__all__ = ["Walker"]


class _Fetched:
    """An event whose mask word is read, and its context."""

    def __init__(self, config: CoreConfig):
        self.valid = Signal(name="fetch_valid")
        self.row_end = Signal(reset_less=True, name="fetch_row_end")
        self.value = Signal(signed(config.operand_width), reset_less=True, name="fetch_value")
        self.shift = Signal(exact_log2(config.mask_width), reset_less=True)  # of the context, to the event's slot
        self.context = Signal(context_layout(config), reset_less=True, name="held")
        self.ready = Signal(name="fetch_ready")


class _Walked:
    """The event whose mask bits are walked."""

    def __init__(self, config: CoreConfig):
        width = config.mask_width
        self.mask = Signal(mask_entry_layout(config), reset_less=True, name="walk_mask")
        self.value = Signal(signed(config.operand_width), reset_less=True, name="walk_value")
        self.base = Signal(acc_addr_width(config), reset_less=True, name="walk_base")
        self.fresh = Signal()  # at its first bit
        self.row_end = Signal(name="walk_row_end")
        self.walking = Signal()
        self.reached = Signal(width)  # bits from the lowest one on
        self.lowest = Signal(width)  # that one


class Walker(wiring.Component):
    """Walks the set bits of ``weight mask & context mask`` of each event, lowest first.

    Latency: three cycles from event to operation. Throughput: one operation per cycle without bubbles between events; an event
    without operations takes one cycle, hidden while the walk of an earlier event goes on. Operations have no back-pressure.

    Members
    -------
    i_event, i_context : events, and one context for each event with ``first`` set
    dense : visit every position of the context mask, pruned weights too
    slot_log2 : log2 of the mask bits per slot
    position, offset : the position whose accumulator offset, modulo ``acc_depth``, is wanted (combinational)
    mask_en, mask_addr, mask : read port of the mask memory, one cycle latency
    o_valid, o : the operation
    row_end : all operations of an input row have been issued (in step with ``o_valid``)
    busy : an event is inside
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "i_event": In(stream.Signature(event_layout(config))),
                "i_context": In(stream.Signature(context_layout(config))),
                "dense": In(1),
                "slot_log2": In(3),
                "position": Out(range(config.mask_width)),
                "offset": In(acc_addr_width(config)),
                "mask_en": Out(1),
                "mask_addr": Out(bits_for_index(config.mask_depth)),
                "mask": In(mask_entry_layout(config)),
                "o_valid": Out(1),
                "o": Out(operation_layout(config)),
                "row_end": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        fetched, walked = _Fetched(self._config), _Walked(self._config)
        self._fetch(m, fetched)
        self._walk(m, fetched, walked)
        self._address(m, walked)
        m.d.comb += self.busy.eq(fetched.valid | walked.walking | walked.row_end | self.o_valid | self.row_end)
        return m

    def _fetch(self, m: Module, fetched: _Fetched) -> None:
        """Take an event and read its mask word; ``ready``: the event before goes on."""
        event, context = self.i_event.payload, self.i_context.payload
        slot_bit = (event.slot << self.slot_log2)[: len(event.slot)]
        take = Signal()
        m.d.comb += [
            take.eq(self.i_event.valid & fetched.ready & (~event.first | self.i_context.valid)),
            self.i_event.ready.eq(take),
            self.i_context.ready.eq(take & event.first),
            self.mask_en.eq(take & ~event.row_end),
            self.mask_addr.eq(slot_bit >> len(fetched.shift)),
        ]
        with m.If(fetched.ready):
            m.d.sync += fetched.valid.eq(take)
        with m.If(take):
            m.d.sync += [
                fetched.row_end.eq(event.row_end),
                fetched.value.eq(event.value),
                fetched.shift.eq(slot_bit[: len(fetched.shift)]),
            ]
            with m.If(event.first):
                m.d.sync += fetched.context.eq(context)

    def _walk(self, m: Module, fetched: _Fetched, walked: _Walked) -> None:
        """One set bit per cycle, lowest first."""
        width = self._config.mask_width
        wanted = Signal(width)
        walk_bytes = [Signal(8, name=f"walk_bits_{byte}") for byte in range(width // 8)]  # each with a clock of its own
        walk_bits = Cat(walk_bytes)
        rest = Signal(width)  # the bits above the lowest
        walk_last = Signal()
        m.d.comb += [
            wanted.eq((fetched.context.mask << fetched.shift)[:width] & (self.mask.mask | self.dense.replicate(width))),
            walked.reached.eq(from_lowest(walk_bits)),
            walked.lowest.eq(first_of(walked.reached)),
            rest.eq(walk_bits ^ walked.lowest),
            walked.walking.eq(walk_bits != 0),
            walk_last.eq(rest == 0),
        ]
        empty = ~fetched.row_end & (wanted == 0)
        m.d.comb += fetched.ready.eq(~fetched.valid | walk_last | empty)
        with m.If(walk_last):
            m.d.sync += walked.row_end.eq(fetched.valid & fetched.row_end)
        begin = Signal()
        m.d.comb += begin.eq(walk_last & fetched.valid & ~fetched.row_end & ~empty)
        m.d.sync += walked.fresh.eq(begin)
        with m.If(begin):
            m.d.sync += [walked.mask.eq(self.mask), walked.value.eq(fetched.value), walked.base.eq(fetched.context.base)]
        for byte, bits in enumerate(walk_bytes):
            with m.If(begin):
                m.d.sync += bits.eq(wanted.word_select(byte, 8))
            with m.Elif(walked.lowest.word_select(byte, 8).any()):
                m.d.sync += bits.eq(rest.word_select(byte, 8))

    def _address(self, m: Module, walked: _Walked) -> None:
        """Rank of the bit among the packed weights, and its accumulator.

        The mask bits below it are counted in two steps, those of each byte before the register, which is half as wide then.
        """
        width = self._config.mask_width
        word_log2 = exact_log2(width)
        addr_valid = Signal()
        addr_row_end = Signal()
        addr_first = Signal()
        below = [Signal(4, reset_less=True, name=f"below_{byte}") for byte in range(width // 8)]
        bit = Signal(word_log2, reset_less=True)
        addr_value = Signal(signed(self._config.operand_width), reset_less=True)
        addr_pruned = Signal(reset_less=True)
        addr_index = Signal(self._config.weight_index_width, reset_less=True)
        addr_base = Signal(acc_addr_width(self._config), reset_less=True)
        position_mask = Signal(word_log2)
        passed = Signal(width)
        m.d.comb += passed.eq(byte_counts(walked.mask.mask & ~walked.reached))
        m.d.sync += [addr_valid.eq(walked.walking), addr_row_end.eq(walked.row_end)]
        with m.If(walked.walking):
            m.d.sync += [count.eq(passed.word_select(byte, 8)) for byte, count in enumerate(below)]
            m.d.sync += [bit.eq(encode_onehot(walked.lowest)), addr_pruned.eq((walked.mask.mask & walked.lowest) == 0)]
        m.d.sync += addr_first.eq(walked.fresh)
        with m.If(walked.fresh):  # the rest is the same for all operations of an event
            m.d.sync += [addr_value.eq(walked.value), addr_index.eq(walked.mask.index), addr_base.eq(walked.base)]
        m.d.comb += [
            position_mask.eq((Const(1, word_log2 + 1) << self.slot_log2) - 1),
            self.o_valid.eq(addr_valid),
            self.row_end.eq(addr_row_end),
            self.o.index.eq(addr_index + sum(below)),
            self.o.pruned.eq(addr_pruned),
            self.o.value.eq(addr_value),
            self.o.first.eq(addr_first),
            self.position.eq(bit & position_mask),
            self.o.addr.eq(addr_base + self.offset),
        ]
