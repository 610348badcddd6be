"""Prefetch of the program: its prologue once, then its body once per item."""

from typing import Any

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from quiesce.rtl.bus.interfaces import Burst
from quiesce.rtl.lib.checked_ram import join_status, status_ports
from quiesce.rtl.lib.ram_fifo import RamFifo
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import BURST_BEATS, Region

__all__ = ["ProgramFetch"]


class ProgramFetch(wiring.Component):
    """Reads the program region ahead of its consumer.

    The prologue occupies beats ``0 .. prologue_beats - 1`` of the region, the body the ``body_beats`` after it. The output is the
    prologue and then ``n_items`` times the body, as one stream. Bursts are requested only while the buffer has room for them.

    Latency: 1 cycle from ``start`` to the first request, 2 cycles from ``data`` to ``o_beats``. Throughput: 1 beat per cycle once
    data arrive; one request per cycle, with one cycle between sections. Back-pressure: ``o_beats`` stalls the requests;
    ``data.ready`` does not depend on ``data.valid``. Reset: all control state.

    Parameters
    ----------
    config : CoreConfig

    Members
    -------
    start : In(1)
        Pulse; ignored while requests remain. The lengths must be stable from here until the last request.
    prologue_beats, body_beats, n_items : In(32)
        0 is allowed for each.
    request : Out(stream of Burst)
        Never crosses a multiple of BURST_BEATS beats of the region.
    data : In(stream of unsigned(data_width))
    o_beats : Out(stream of unsigned(data_width))
    """

    BUFFER_BEATS = 8 * BURST_BEATS  # covers a memory latency of about 100 cycles

    def __init__(self, config: CoreConfig):
        self.config = config
        beats = stream.Signature(unsigned(config.data_width))
        super().__init__({
            "start": In(1),
            "prologue_beats": In(32),
            "body_beats": In(32),
            "n_items": In(32),
            "request": Out(stream.Signature(Burst)),
            "data": In(beats),
            "o_beats": Out(beats),
            **status_ports(config.ram_check),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.buffer = buffer = RamFifo(self.config.data_width, self.BUFFER_BEATS, check=self.config.ram_check)
        join_status(m, self, [buffer])
        connect(m, flipped(self.data), buffer.i_words)
        connect(m, buffer.o_words, flipped(self.o_beats))

        active = Signal()
        position = Signal(32, reset_less=True)  # beats from the region's start
        left = Signal(32, reset_less=True)  # beats of this section not requested yet
        items = Signal(32, reset_less=True)  # bodies not begun yet
        room = Signal(range(self.BUFFER_BEATS + 1), init=self.BUFFER_BEATS)  # beats neither stored nor requested

        beats = Signal(range(BURST_BEATS + 1))
        to_boundary = BURST_BEATS - position[: exact_log2(BURST_BEATS)]
        requested = self.request.valid & self.request.ready
        m.d.comb += [
            beats.eq(Mux(left < to_boundary, left, to_boundary)),
            self.request.valid.eq(active & (left != 0) & (room >= beats)),
            self.request.payload.region.eq(Region.PROGRAM),
            self.request.payload.offset.eq(position << exact_log2(self.config.beat_bytes)),
            self.request.payload.beats.eq(beats),
        ]
        taken = self.o_beats.valid & self.o_beats.ready
        with m.If(requested | taken):
            m.d.sync += room.eq(room - Mux(requested, beats, 0) + taken)

        with m.If(~active):
            with m.If(self.start):
                m.d.sync += [position.eq(0), left.eq(self.prologue_beats), items.eq(self.n_items), active.eq(1)]
        with m.Elif(requested):
            m.d.sync += [position.eq(position + beats), left.eq(left - beats)]
        with m.Elif(left == 0):
            with m.If((items == 0) | (self.body_beats == 0)):
                m.d.sync += active.eq(0)
            with m.Else():
                m.d.sync += [position.eq(self.prologue_beats), left.eq(self.body_beats), items.eq(items - 1)]
        return m
