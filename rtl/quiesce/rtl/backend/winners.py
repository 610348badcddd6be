"""Winners-take-all: which channels of a map stay, known to whoever reads it."""

from typing import Any

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.backend.channel_maxima import ChannelMaxima
from quiesce.rtl.backend.interfaces import chunk_layout, features_layout
from quiesce.rtl.backend.ranking import Ranking
from quiesce.rtl.lib.bits import bits_for_index
from quiesce.rtl.lib.checked_ram import join_status, make_ram, status_ports
from quiesce.rtl.lib.layouts import connect_fields, pass_layout
from quiesce.spec.config import CoreConfig

__all__ = ["Winners"]


class Winners(wiring.Component):
    """Keeps the maxima of the output channels of all passes of a layer, ranks them after the last output, and holds the marks of
    the winners until another map takes their place.

    The map itself is stored as it comes; its readers leave out the channels without a mark (Detector). Equals
    ``format.winners.winning_channels`` but for channels without a positive activation, whose marks mean nothing.

    Members
    -------
    start : pulse, a pass begins in post-processing
    config : of that pass, stable during it
    taken, chunk : a chunk goes to the encoder
    mark_en, mark_row, marks : marks of a row of ``detector_width`` channels, one cycle later, held while ``mark_en`` is low
    pending : from a cycle after the ``start`` of a pass that ends with a ranking until that is done
    ranking, access : the unit ranks; it reads and writes a row of maxima for a chunk (for the counters)
    """

    def __init__(self, config: CoreConfig):
        self._core = config
        fields = ("track_maxima", "first_maxima", "out_winner_row", "chunks", "n_out_rows", "rank_row", "rank_rows", "n_winners")
        super().__init__(
            {
                "start": In(1),
                "config": In(pass_layout(*fields)),
                "taken": In(1),
                "chunk": In(chunk_layout(config)),
                "mark_en": In(1),
                "mark_row": In(bits_for_index(config.winner_rows)),
                "marks": Out(config.detector_width),
                "pending": Out(1),
                "ranking": Out(1),
                "access": Out(1),
                **status_ports(config.ram_check),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        core = self._core
        m.submodules.tracker = tracker = ChannelMaxima(core)
        m.submodules.ranks = ranks = Ranking(core)
        m.submodules.maxima = maxima = make_ram(
            core.ram_check,
            features_layout(core),
            core.winner_rows,
            n_parts=core.detector_width // core.post_units,
            transparent=True,
        )
        m.submodules.winning = winning = make_ram(core.ram_check, unsigned(core.detector_width), core.winner_rows)
        join_status(m, self, [maxima, winning])

        waits = Signal()  # for the last output of the pass
        for part in (tracker, ranks):
            connect_fields(m.d.comb, part.config, self.config)
        m.d.comb += [
            tracker.start.eq(self.start),
            tracker.taken.eq(self.taken),
            tracker.chunk.eq(self.chunk),
            tracker.read_data.eq(maxima.read_data),
            maxima.write_en.eq(tracker.write_en),
            maxima.write_addr.eq(tracker.write_row),
            maxima.write_data.eq(tracker.write_data),
            maxima.read_en.eq(tracker.read_en | ranks.read_en),
            maxima.read_addr.eq(Mux(ranks.read_en, ranks.read_row, tracker.read_row)),
            ranks.start.eq(waits & tracker.done),
            ranks.read_data.eq(maxima.read_data),
            winning.write_en.eq(ranks.write_en),
            winning.write_addr.eq(ranks.write_row),
            winning.write_data.eq(ranks.write_data),
            winning.read_en.eq(self.mark_en),
            winning.read_addr.eq(self.mark_row),
            self.marks.eq(winning.read_data),
            self.ranking.eq(ranks.busy),
            self.access.eq(tracker.read_en),
        ]
        with m.If(self.start):
            m.d.sync += [waits.eq(self.config.n_winners != 0), self.pending.eq(self.config.n_winners != 0)]
        with m.Elif(ranks.start):
            m.d.sync += waits.eq(0)
        with m.Elif(ranks.done):
            m.d.sync += self.pending.eq(0)
        return m
