"""Maxima of output channels, kept while activations pass by."""

from typing import Any

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from quiesce.rtl.backend.interfaces import FEATURE_WIDTH, chunk_layout, features_layout
from quiesce.rtl.lib.bits import bits_for_index
from quiesce.rtl.lib.layouts import pass_layout
from quiesce.spec.config import CoreConfig

__all__ = ["ChannelMaxima"]


class ChannelMaxima(wiring.Component):
    """``maximum[c] = max(maximum[c], activation)`` for each activation of channel c; chunk k of a pixel is slice k of the rows
    from ``out_winner_row`` on.

    The first pixel of a plane (``first_maxima``) is taken as it is, and with its first chunk of a row the rest of that row
    becomes zero, so that nothing need be cleared. One chunk per cycle; a maximum is written in the cycle after its chunk was
    taken, and then known to a read of the same cycle (the memory's write port is transparent).

    Members
    -------
    start : pulse, a pass begins in post-processing
    config : stable during a pass
    taken, chunk : a chunk goes to the encoder
    read_en, read_row, read_data : read port of the maxima, latency one cycle
    write_en, write_row, write_data : write port, an enable for each slice of ``post_units`` channels
    done : all rows of the pass have passed
    """

    def __init__(self, config: CoreConfig):
        self._core = config
        row = bits_for_index(config.winner_rows)
        super().__init__(
            {
                "start": In(1),
                "config": In(pass_layout("track_maxima", "first_maxima", "out_winner_row", "chunks", "n_out_rows")),
                "taken": In(1),
                "chunk": In(chunk_layout(config)),
                "read_en": Out(1),
                "read_row": Out(row),
                "read_data": In(features_layout(config)),
                "write_en": Out(config.detector_width // config.post_units),
                "write_row": Out(row),
                "write_data": Out(features_layout(config)),
                "done": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, n_units = self.config, self._core.post_units
        n_slices = self._core.detector_width // n_units
        slice_bits = exact_log2(n_slices)
        index = Signal(12, reset_less=True)
        rows_left = Signal(16)
        first = Signal(reset_less=True)
        last = index + 1 == config.chunks
        m.d.comb += [
            self.read_en.eq(self.taken & config.track_maxima),
            self.read_row.eq(config.out_winner_row + (index >> slice_bits)),
        ]

        # The chunk taken in the cycle before, and what was known of its channels.
        valid = Signal()
        fresh = Signal(reset_less=True)
        piece = Signal(range(n_slices), reset_less=True)
        values = [Signal(FEATURE_WIDTH, reset_less=True, name=f"value_{unit}") for unit in range(n_units)]
        m.d.sync += valid.eq(self.read_en)
        with m.If(self.taken):
            m.d.sync += [self.write_row.eq(self.read_row), piece.eq(index[:slice_bits]), fresh.eq(first)]
            m.d.sync += [value.eq(each) for value, each in zip(values, self.chunk.values, strict=True)]
            m.d.sync += index.eq(Mux(last, 0, index + 1))
            with m.If(last):
                m.d.sync += first.eq(0)
            with m.If(self.chunk.row_last):
                m.d.sync += rows_left.eq(rows_left - 1)
        with m.If(self.start):
            m.d.sync += [index.eq(0), first.eq(config.first_maxima), rows_left.eq(config.n_out_rows)]

        clears = fresh & (piece == 0)
        for unit, value in enumerate(values):
            known = Signal(FEATURE_WIDTH, name=f"known_{unit}")
            largest = Signal(FEATURE_WIDTH, name=f"largest_{unit}")
            places = [slot * n_units + unit for slot in range(n_slices)]
            with m.Switch(piece):
                for slot, place in enumerate(places):
                    with m.Case(slot):
                        m.d.comb += known.eq(self.read_data[place])
            m.d.comb += largest.eq(Mux(~fresh & (known > value), known, value))
            m.d.comb += [self.write_data[place].eq(Mux(clears & (place >= n_units), 0, largest)) for place in places]
        m.d.comb += [
            self.write_en.eq(Mux(valid, Mux(clears, ~0, 1 << piece), 0)),
            self.done.eq((rows_left == 0) & ~valid & ~self.start),
        ]
        return m
