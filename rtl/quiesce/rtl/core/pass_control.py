"""Which pass each part of a core works on."""

from typing import Any

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["PassControl"]


class PassControl(wiring.Component):
    """Lets passes overlap: while the array finishes one, the next is read; while its outputs are written, the next is computed.

    The *reader* begins a pass when all activations of the one before have arrived; the *front* (scanner) when it has scanned the
    one before; the *array* (PEs and drain) when its accumulators have been read; the *back* (post-processing and encoder) when it
    has handed on everything of the one before. Reader and front are at most one pass ahead of the array, and the back at most
    one behind: a pass does not begin in the array before the back has begun the one before it, nor in the reader before
    everything older than that is in memory. So a pass may read what any pass has written but for the last one that writes, for
    which the rows are checked (`RowTracker`).

    Members
    -------
    described, offered, writes : the sequencer holds a pass, which may begin, and which writes outputs
    reader_done : all activations of the reader's pass have arrived
    scanned : the front has nothing left
    array_done : the PEs are empty and the accumulators read; not from ``array_start`` on until the pass is done
    back_done : the back has nothing left; low from ``back_start`` on
    written : every write has been answered
    older_done : so has every write before the last ``back_start``
    ready : the core is not being cleared
    counters_ready : the counters can take the end of a pass
    reader_start, front_start, array_start, back_start : pulse; the reader takes what is described, the front and then the array
        what is offered, the back what the array had
    ahead : the front has begun the next pass, the array not
    running : the array has a pass
    pass_end : pulse; its time ends: another begins in the array, or all is in memory
    idle : no pass anywhere, and every write has been answered
    back_lags : the back works on an older pass than the array
    back_waits : the array's pass has yet to begin in the back
    back_current : the back works for the array's pass, or has done so
    complete : every pass begun in the array is in memory
    behind : the last ``back_start`` was that of the last pass before the reader's one that writes
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "described": In(1),
                "offered": In(1),
                "writes": In(1),
                "reader_done": In(1),
                "scanned": In(1),
                "array_done": In(1),
                "back_done": In(1),
                "written": In(1),
                "older_done": In(1),
                "ready": In(1),
                "counters_ready": In(1),
                "reader_start": Out(1),
                "front_start": Out(1),
                "array_start": Out(1),
                "back_start": Out(1),
                "ahead": Out(1),
                "running": Out(1),
                "pass_end": Out(1),
                "idle": Out(1),
                "back_lags": Out(1),
                "back_waits": Out(1),
                "back_current": Out(1),
                "complete": Out(1),
                "behind": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        finished = Signal()
        reading = Signal()  # the reader has begun the next pass, the front not
        waits = self.back_waits
        m.d.comb += [
            self.reader_start.eq(self.described & self.reader_done & ~reading & ~self.ahead & ~waits & self.older_done),
            self.front_start.eq(self.offered & reading & self.scanned & self.ready),
            self.array_start.eq(self.ahead & ~waits & (~self.running | (self.array_done & self.counters_ready))),
            self.back_start.eq(waits & self.back_done),
            self.complete.eq(~waits & self.back_done & self.written),
            finished.eq(
                self.running & self.array_done & self.scanned & ~self.ahead & ~self.offered & self.complete & self.counters_ready
            ),
            self.pass_end.eq(finished | (self.running & self.array_start)),
            self.idle.eq(~self.running & ~self.ahead & ~self.offered & self.complete),
            self.back_lags.eq(~self.back_done & ~self.back_current),
        ]
        with m.If(self.reader_start):
            m.d.sync += [reading.eq(1), self.behind.eq(1)]
        with m.If(self.front_start):
            m.d.sync += [reading.eq(0), self.ahead.eq(1)]
        with m.If(self.back_start):
            m.d.sync += [waits.eq(0), self.back_current.eq(1), self.behind.eq(0)]
        with m.If(finished):
            m.d.sync += self.running.eq(0)
        with m.If(self.array_start):
            m.d.sync += [self.ahead.eq(0), self.running.eq(1), waits.eq(self.writes), self.back_current.eq(0)]
        return m
