"""Address generator of a plain array: all PEs do the same operation at the same time."""

from typing import Any

from amaranth import Array, Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.lib.bits import bits_for_index, encode_onehot, lowest_set
from quiesce.rtl.lib.layouts import pass_layout
from quiesce.rtl.pe.interfaces import acc_addr_width, broadcast_layout, step_layout
from quiesce.spec.config import CoreConfig

__all__ = ["PositionWalk"]


class PositionWalk(wiring.Component):
    """Steps through the positions of each event whose output exists; the weights lie one behind the other.

    The weight word of position p in slot s is ``slot_base + s n_positions + p``. Latency: three cycles from event to operation.
    Throughput: one operation per cycle without bubbles between events. Operations have no back-pressure.

    Members
    -------
    i_events : events and contexts; each comes with its context
    hold : begin no further event
    offset : accumulator offset of each position
    o_valid, o : the operation
    row_end : all operations of an input row have been issued (in step with ``o_valid``)
    busy : an event is inside
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "i_events": In(stream.Signature(broadcast_layout(config))),
                "hold": In(1),
                "config": In(pass_layout("n_positions", "slot_base")),
                "offset": In(acc_addr_width(config)).array(config.mask_width),
                "o_valid": Out(1),
                "o": Out(step_layout(config)),
                "row_end": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        event_layout = data.StructLayout(
            {
                "value": signed(8),
                "base": acc_addr_width(self._config),
                "last_group": 1,
                "pe": bits_for_index(self._config.n_pes),
                "index": self._config.weight_index_width,
            }
        )
        next_valid = Signal()
        next_row_end = Signal()
        next_mask = Signal(self._config.mask_width, reset_less=True)
        following = Signal(event_layout, reset_less=True)
        event = Signal(event_layout, reset_less=True)
        advance = Signal()
        self._fetch(m, next_valid, next_row_end, next_mask, following, advance)

        # One position per cycle.
        positions = Signal(self._config.mask_width)
        ended = Signal()
        lowest = Signal(self._config.mask_width)
        rest = Signal(self._config.mask_width)
        working = Signal()
        last = Signal()
        m.d.comb += [
            lowest.eq(lowest_set(positions)),
            rest.eq(positions ^ lowest),
            working.eq(positions != 0),
            last.eq(rest == 0),
            advance.eq(next_valid & last),
        ]
        m.d.sync += ended.eq(advance & next_row_end)
        with m.If(advance & ~next_row_end):
            m.d.sync += [positions.eq(next_mask), event.eq(following)]
        with m.Elif(working):
            m.d.sync += positions.eq(rest)
        self._address(m, working, lowest, event)
        m.d.sync += [self.o_valid.eq(working), self.row_end.eq(ended)]
        m.d.comb += self.busy.eq(next_valid | working | ended | self.o_valid | self.row_end)
        return m

    def _fetch(self, m: Module, valid: Signal, row_end: Signal, mask: Signal, following: data.View, advance: Signal) -> None:
        """Take an event: its positions, and what its operations have in common; ``advance``: the one before is done."""
        payload = self.i_events.payload
        take = Signal()
        m.d.comb += [
            take.eq(self.i_events.valid & ~self.hold & (~valid | advance)),
            self.i_events.ready.eq(take),
        ]
        with m.If(advance | ~valid):
            m.d.sync += [valid.eq(take), row_end.eq(take & payload.event.row_end)]
        with m.If(take):
            m.d.sync += [
                mask.eq(payload.context.mask),
                following.value.eq(payload.event.value),
                following.base.eq(payload.context.base),
                following.last_group.eq(payload.last_group),
                following.pe.eq(payload.pe),
                following.index.eq(self.config.slot_base + payload.event.slot * self.config.n_positions),
            ]

    def _address(self, m: Module, working: Signal, lowest: Signal, event: data.View) -> None:
        """The operation of an event's position."""
        bit = Signal(bits_for_index(self._config.mask_width))
        step = Signal(step_layout(self._config), reset_less=True)
        m.d.comb += [bit.eq(encode_onehot(lowest)), self.o.eq(step)]
        with m.If(working):
            m.d.sync += [
                step.o.index.eq(event.index + bit),
                step.o.value.eq(event.value),
                step.o.pruned.eq(0),
                step.o.first.eq(1),  # a PE may have been left out of the operation before
                step.o.addr.eq(event.base + Array(self.offset)[bit]),
                step.bit.eq(bit),
                step.last_group.eq(event.last_group),
                step.pe.eq(event.pe),
            ]
