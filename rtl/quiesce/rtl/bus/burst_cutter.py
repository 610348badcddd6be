"""From runs of beats to bursts of the read DMA."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import BURST_BEATS

__all__ = ["BurstCutter"]


class BurstCutter(wiring.Component):
    """Cut a run of beats into bursts that end in front of multiples of `BURST_BEATS` beats.

    Members
    -------
    load, offset, beats : begin a run (of possibly no beats); only while ``idle``
    o_bursts : ``offset`` and ``beats`` of each burst, the first one cycle after ``load``
    last : the burst is the last of its run
    idle : nothing left
    """

    def __init__(self, config: CoreConfig, beats_width: int):
        self._beat_bits = exact_log2(config.beat_bytes)
        super().__init__(
            {
                "load": In(1),
                "offset": In(32),
                "beats": In(beats_width),
                "o_bursts": Out(stream.Signature(data.StructLayout({"offset": 32, "beats": 5}))),
                "last": Out(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        burst_bits = exact_log2(BURST_BEATS)
        first = Signal(32 - self._beat_bits, reset_less=True)
        left = Signal(len(self.beats))
        reach = BURST_BEATS - first[:burst_bits]  # beats up to the next boundary
        burst = self.o_bursts.payload
        m.d.comb += [
            self.idle.eq(left == 0),
            self.o_bursts.valid.eq(~self.idle),
            burst.offset.eq(Cat(Const(0, self._beat_bits), first)),
            self.last.eq(left <= reach),
            burst.beats.eq(Mux(left < reach, left, reach)),
        ]
        with m.If(self.load):
            m.d.sync += [first.eq(self.offset[self._beat_bits :]), left.eq(self.beats)]
        with m.Elif(self.o_bursts.valid & self.o_bursts.ready):
            m.d.sync += [
                first.eq(Cat(Const(0, burst_bits), (first[burst_bits:] + 1)[: len(first) - burst_bits])),
                left.eq(left - burst.beats),
            ]
        return m
