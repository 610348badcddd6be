"""Operand iterator of a PE: events in, one weight address and one accumulator address per cycle out."""

from amaranth import Cat, Const, Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.lib.bits import bits_for_index, byte_counts, encode_onehot, first_of, from_lowest
from quiesce.rtl.pe.events import acc_addr_width, context_layout, event_layout, operation_layout
from quiesce.rtl.pe.mask_memory import mask_entry_layout
from quiesce.spec.config import CoreConfig

__all__ = ["Walker"]


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

    def elaborate(self, platform):
        m = Module()
        width = self._config.mask_width
        word_log2 = width.bit_length() - 1
        event, context = self.i_event.payload, self.i_context.payload
        slot_bit = (event.slot << self.slot_log2)[: len(event.slot)]

        # Fetch: the mask word of the event, and its context shifted to the event's slot.
        fetch_valid = Signal()
        fetch_marker = Signal(reset_less=True)
        fetch_value = Signal(signed(8), reset_less=True)
        shift = Signal(word_log2, reset_less=True)
        held = Signal(context_layout(self._config), reset_less=True)
        fetch_ready = Signal()
        take = Signal()
        m.d.comb += [
            take.eq(self.i_event.valid & fetch_ready & (~event.first | self.i_context.valid)),
            self.i_event.ready.eq(take),
            self.i_context.ready.eq(take & event.first),
            self.mask_en.eq(take & ~event.marker),
            self.mask_addr.eq(slot_bit >> word_log2),
        ]
        with m.If(fetch_ready):
            m.d.sync += fetch_valid.eq(take)
        with m.If(take):
            m.d.sync += [fetch_marker.eq(event.marker), fetch_value.eq(event.value), shift.eq(slot_bit[:word_log2])]
            with m.If(event.first):
                m.d.sync += held.eq(context)

        # Walk: one set bit per cycle.
        wanted = Signal(width)
        walk_bytes = [Signal(8, name=f"walk_bits_{byte}") for byte in range(width // 8)]  # each with a clock of its own
        walk_bits = Cat(walk_bytes)
        fresh = Signal()
        walk_mask = Signal(mask_entry_layout(self._config), reset_less=True)
        walk_value = Signal(signed(8), reset_less=True)
        walk_base = Signal(acc_addr_width(self._config), reset_less=True)
        walk_marker = Signal()
        reached = Signal(width)  # bits from the lowest one on
        lowest = Signal(width)  # that one
        rest = Signal(width)  # the others
        walking = Signal()
        walk_last = Signal()
        m.d.comb += [
            wanted.eq((held.mask << shift)[:width] & (self.mask.mask | self.dense.replicate(width))),
            reached.eq(from_lowest(walk_bits)),
            lowest.eq(first_of(reached)),
            rest.eq(walk_bits ^ lowest),
            walking.eq(walk_bits != 0),
            walk_last.eq(rest == 0),
        ]
        empty = ~fetch_marker & (wanted == 0)
        m.d.comb += fetch_ready.eq(~fetch_valid | walk_last | empty)
        with m.If(walk_last):
            m.d.sync += walk_marker.eq(fetch_valid & fetch_marker)
        begin = Signal()
        m.d.comb += begin.eq(walk_last & fetch_valid & ~fetch_marker & ~empty)
        m.d.sync += fresh.eq(begin)
        with m.If(begin):
            m.d.sync += [walk_mask.eq(self.mask), walk_value.eq(fetch_value), walk_base.eq(held.base)]
        for byte, bits in enumerate(walk_bytes):
            with m.If(begin):
                m.d.sync += bits.eq(wanted.word_select(byte, 8))
            with m.Elif(lowest.word_select(byte, 8).any()):
                m.d.sync += bits.eq(rest.word_select(byte, 8))

        # Address: rank of the bit among the packed weights, and its accumulator. The mask bits below it are counted in two steps,
        # those of each byte before the register, which is half as wide then.
        addr_valid = Signal()
        addr_marker = Signal()
        addr_first = Signal()
        below = [Signal(4, reset_less=True, name=f"below_{byte}") for byte in range(width // 8)]
        bit = Signal(word_log2, reset_less=True)
        addr_value = Signal(signed(8), reset_less=True)
        addr_pruned = Signal(reset_less=True)
        addr_index = Signal(self._config.weight_index_width, reset_less=True)
        addr_base = Signal(acc_addr_width(self._config), reset_less=True)
        position_mask = Signal(word_log2)
        passed = Signal(width)
        m.d.comb += passed.eq(byte_counts(walk_mask.mask & ~reached))
        m.d.sync += [addr_valid.eq(walking), addr_marker.eq(walk_marker)]
        with m.If(walking):
            m.d.sync += [count.eq(passed.word_select(byte, 8)) for byte, count in enumerate(below)]
            m.d.sync += [bit.eq(encode_onehot(lowest)), addr_pruned.eq((walk_mask.mask & lowest) == 0)]
        m.d.sync += addr_first.eq(fresh)
        with m.If(fresh):  # the rest is the same for all operations of an event
            m.d.sync += [addr_value.eq(walk_value), addr_index.eq(walk_mask.index), addr_base.eq(walk_base)]
        m.d.comb += [
            position_mask.eq((Const(1, word_log2 + 1) << self.slot_log2) - 1),
            self.o_valid.eq(addr_valid),
            self.row_end.eq(addr_marker),
            self.o.index.eq(addr_index + sum(below)),
            self.o.pruned.eq(addr_pruned),
            self.o.value.eq(addr_value),
            self.o.first.eq(addr_first),
            self.position.eq(bit & position_mask),
            self.o.addr.eq(addr_base + self.offset),
            self.busy.eq(fetch_valid | walking | walk_marker | addr_valid | addr_marker),
        ]
        return m
