"""Items: which one passes belong to, when one is complete, and what it has to do with the one before."""

from typing import Any

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from quiesce.spec.config import CoreConfig

__all__ = ["ItemControl"]


class ItemControl(wiring.Component):
    """Moves the regions of inputs and outputs on at the end of an item, and counts it when its outputs are in memory.

    Passes of the next item may begin before that; its own end waits (``ready``).

    Members
    -------
    start : pulse, begin with the first item
    item_end : pulse, the passes from now on belong to the next item; only while ``ready``
    back_start : pulse, the back begins a pass; ``back_waits`` : the last pass before ``item_end`` has not begun there
    complete, older_done : see PassControl
    input_stride, output_stride : bytes per item
    input_offset, output_offset : of the present item, bytes
    items_done : items whose outputs are in memory
    ready : no end is pending

    With state between items only:

    continues : at ``start``: the first item shall follow the last one of the run before, if there was one since the last reset
    follows : the same, if there was one
    delta_threshold : least one
    fresh : the present item is the first of a stream
    least_threshold : that of the present item, taken when it begins
    recheck : it is another one than that of the item before, or the item is the first
    """

    def __init__(self, config: CoreConfig) -> None:
        self._has_state = config.state_depth > 0
        state = {
            "continues": In(1), "delta_threshold": In(8), "follows": Out(1), "fresh": Out(1), "least_threshold": Out(8),
            "recheck": Out(1),
        }  # fmt: skip
        super().__init__(
            {
                **(state if self._has_state else {}),
                "start": In(1),
                "item_end": In(1),
                "back_start": In(1),
                "back_waits": In(1),
                "complete": In(1),
                "older_done": In(1),
                "input_stride": In(32),
                "output_stride": In(32),
                "input_offset": Out(32),
                "output_offset": Out(32),
                "items_done": Out(32),
                "ready": Out(1, init=1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        own_start = Signal()  # the item's last pass has yet to begin in the back
        passed = Signal()  # a pass of the next item has begun there
        done = Signal()
        m.d.comb += done.eq(~self.ready & ~own_start & (self.complete | (passed & self.older_done)))
        with m.If(self.back_start):
            m.d.sync += [own_start.eq(0), passed.eq(~own_start)]
        with m.If(done):
            m.d.sync += [self.items_done.eq(self.items_done + 1), self.ready.eq(1)]
        with m.If(self.item_end):
            m.d.sync += [
                self.ready.eq(0),
                own_start.eq(self.back_waits & ~self.back_start),
                passed.eq(0),
                self.input_offset.eq(self.input_offset + self.input_stride),
                self.output_offset.eq(self.output_offset + self.output_stride),
            ]
        with m.If(self.start):
            m.d.sync += [self.items_done.eq(0), self.input_offset.eq(0), self.output_offset.eq(0)]
        if self._has_state:
            self._follow(m)
        return m

    def _follow(self, m: Module) -> None:
        """What an item takes over from the one before."""
        begun = Signal()  # there was an item before
        m.d.comb += self.follows.eq(self.continues & begun)
        with m.If(self.start | self.item_end):
            m.d.sync += [
                begun.eq(1),
                self.fresh.eq(self.start & ~self.follows),
                self.least_threshold.eq(self.delta_threshold),
                self.recheck.eq((self.start & ~self.follows) | (self.delta_threshold != self.least_threshold)),
            ]
