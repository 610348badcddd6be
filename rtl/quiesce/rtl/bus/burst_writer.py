"""From beats to bursts of the write DMA."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from quiesce.rtl.bus.interfaces import RUN_LAYOUT, Burst, packed_layout
from quiesce.rtl.lib.checked_ram import join_status, status_ports
from quiesce.rtl.lib.ram_fifo import RamFifo
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import BURST_BEATS

__all__ = ["BurstWriter"]


class BurstWriter(wiring.Component):
    """Cut rows of beats into bursts and request each burst once all of its beats are here.

    Row ``r`` goes to ``offset + r * stride``, whatever the length of the rows before it. A burst ends with its row or in front of
    a multiple of `BURST_BEATS` beats, so the beats of two bursts fit and the write bus never waits for data.

    One beat per cycle. Back-pressure: takes nothing while `DEPTH` beats or `N_REQUESTS` requests wait. Reset: control state.

    Members
    -------
    start : pulse; the pass before must be done
    config : RUN_LAYOUT, sampled by ``start`` except for ``region`` and ``stride``, which are stable during a pass
    i_beats : the rows
    o_requests, o_beats : client of the write DMA
    done : all beats of ``n_rows`` rows have been handed on; low from ``start`` on
    rows_handed : rows of the pass whose requests have all been taken
    """

    DEPTH = 2 * BURST_BEATS
    N_REQUESTS = 4

    def __init__(self, config: CoreConfig):
        self._core = config
        super().__init__(
            {
                "start": In(1),
                "config": In(RUN_LAYOUT),
                "i_beats": In(stream.Signature(packed_layout(config))),
                "o_requests": Out(stream.Signature(Burst)),
                "o_beats": Out(stream.Signature(unsigned(config.data_width))),
                "done": Out(1),
                "rows_handed": Out(16),
                **status_ports(config.ram_check),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        beat_bits, burst_bits = exact_log2(self._core.beat_bytes), exact_log2(BURST_BEATS)
        m.submodules.beats = beats = RamFifo(self._core.data_width, self.DEPTH, check=self._core.ram_check)
        join_status(m, self, [beats])
        m.submodules.requests = requests = SyncFIFOBuffered(width=Burst.as_shape().size, depth=self.N_REQUESTS)
        wiring.connect(m, beats.o_words, wiring.flipped(self.o_beats))
        wiring.connect(m, requests.r_stream, wiring.flipped(self.o_requests))

        # All in beats: the start of the row, that of the burst, and what the burst has so far.
        row = Signal(32 - beat_bits, reset_less=True)
        first = Signal(32 - beat_bits, reset_less=True)
        count = Signal(burst_bits)
        rows_left = Signal(16)
        next_row = (row + self.config.stride[beat_bits:])[: len(row)]
        next_burst = Cat(Const(0, burst_bits), (first[burst_bits:] + 1)[: len(first) - burst_bits])

        item = self.i_beats.payload
        take = Signal()
        close = Signal()
        request = data.View(Burst, requests.w_data)
        m.d.comb += [
            self.i_beats.ready.eq(beats.i_words.ready & requests.w_rdy),
            take.eq(self.i_beats.valid & self.i_beats.ready),
            close.eq(take & (item.last | (first[:burst_bits] + count == BURST_BEATS - 1))),
            beats.i_words.valid.eq(take & ~item.empty),
            beats.i_words.payload.eq(item.beat),
            requests.w_en.eq(close & ~item.empty),
            request.region.eq(self.config.region),
            request.offset.eq(Cat(Const(0, beat_bits), first)),
            request.beats.eq(count + 1),
            # A request is taken before its beats, so no beat left means no request left.
            self.done.eq((rows_left == 0) & beats.empty & ~self.start),
        ]
        with m.If(take):
            m.d.sync += count.eq(Mux(close, 0, count + 1))
        with m.If(close):
            m.d.sync += first.eq(Mux(item.last, next_row, next_burst))
        closed = Signal(16)  # rows whose last request has been made
        with m.If(take & item.last):
            m.d.sync += [row.eq(next_row), rows_left.eq(rows_left - 1), closed.eq(closed + 1)]
        with m.If(requests.level == 0):
            m.d.sync += self.rows_handed.eq(closed)
        with m.If(self.start):
            m.d.sync += [
                closed.eq(0),
                self.rows_handed.eq(0),
                row.eq(self.config.offset[beat_bits:]),
                first.eq(self.config.offset[beat_bits:]),
                count.eq(0),
                rows_left.eq(self.config.n_rows),
            ]
        return m
