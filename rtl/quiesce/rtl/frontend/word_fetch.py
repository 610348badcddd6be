"""Order of the scan: rows, planes, units, contexts, mask words."""

from amaranth import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from quiesce.rtl.frontend.buffers import beat_pointer_width
from quiesce.rtl.frontend.found import place_fields
from quiesce.rtl.frontend.scan_order import ORDER_FIELDS, ScanOrder
from quiesce.rtl.lib.bits import bits_for_index
from quiesce.rtl.lib.layouts import pass_layout
from quiesce.rtl.pe.events import chan_width
from quiesce.spec.config import CoreConfig

__all__ = ["WordFetch", "word_layout", "fetch_fields"]

_FIELDS = (
    *ORDER_FIELDS, "words_per_row", "unit_words", "units_per_pixel", "pitch_log2", "multi_pixel", "slot_base", "in_chans",
)  # fmt: skip


def fetch_fields(config: CoreConfig) -> tuple[str, ...]:
    """Pass fields that the scan order depends on."""
    return _FIELDS + (("in_winner_row", "in_winner_step") if config.winner_depth else ())


def word_layout(config: CoreConfig) -> data.StructLayout:
    """A mask word to be searched, and what its bits mean.

    Members
    -------
    those of place_fields, column and channel of bit 0
    save, rewind : first word of a unit: remember, or return to, the unit's first value
    release : last use of the unit: the masks before ``free_to`` (beats) may be overwritten
    n_chans : channels of the word that exist, if it belongs to one pixel
    plane_end : last word of a row of the plane
    """
    return data.StructLayout(
        {
            **place_fields(config),
            "save": 1,
            "rewind": 1,
            "release": 1,
            "free_to": unsigned(beat_pointer_width(config)),
            "n_chans": range(config.detector_width + 1),
            "plane_end": 1,
        }
    )


class WordFetch(wiring.Component):
    """Reads the mask words of a pass in the order of ScanOrder, each as often as there are contexts.

    A unit is one word with several pixels, or some words of one pixel. Events waiting in the PE FIFOs hide the cycles in which
    the pipeline behind runs empty at the end of a row.

    Latency one cycle, throughput one word per cycle. ``o_words`` is stable while not ready; ``mask_data`` of the reader belongs
    to the word offered.

    Members
    -------
    start : pulse, begin a pass
    go : the tables are ready and the accumulators of the present row are free
    settled : nothing is left in the pipeline behind
    row_advance : pulse, go to the next row
    waiting_row, waiting_masks, scanned : why nothing is offered (for the counters)
    mask_written : beats in the mask ring
    mark_row : with ``mask_en``, where the marks of the word's channels are (with winners only)
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        words = config.act_depth * config.data_width // config.detector_width
        super().__init__(
            {
                "start": In(1),
                "config": In(pass_layout(*fetch_fields(config))),
                "go": In(1),
                "settled": In(1),
                "row_advance": Out(1),
                "waiting_row": Out(1),
                "waiting_masks": Out(1),
                "scanned": Out(1),
                "mask_written": In(beat_pointer_width(config)),
                "mask_en": Out(1),
                "mask_addr": Out(bits_for_index(words)),
                "o_words": Out(stream.Signature(word_layout(config))),
                **({"mark_row": Out(bits_for_index(config.winner_rows))} if config.winner_depth else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, core = self.config, self._config
        words_log2 = (core.data_width // core.detector_width).bit_length() - 1
        pointer = beat_pointer_width(core) + words_log2

        order = ScanOrder(core, config, chan_bits=chan_width(core), first_slot=config.slot_base)
        unit_ptr = Signal(pointer)  # ring position of the unit's first word; a pass begins where the last one has ended
        left = Signal(16, reset_less=True)  # words of the row from this unit on
        unit = Signal(8, reset_less=True)
        word = Signal(8, reset_less=True)
        word_chan = Signal(chan_width(core), reset_less=True)

        address = Signal(pointer)
        next_unit = Signal(pointer)
        aligned = Signal(pointer)
        available = Signal()
        advance = Signal()
        last_word = Signal()
        last_unit = Signal()
        pixel_end = Signal()
        next_plane = Signal()
        m.d.comb += [
            address.eq(unit_ptr + word),
            self.mask_addr.eq(address),
            next_unit.eq(unit_ptr + config.unit_words),
            aligned.eq(Cat(Const(0, words_log2), ((next_unit + (1 << words_log2) - 1) >> words_log2)[: pointer - words_log2])),
            available.eq(address[words_log2:] != self.mask_written),
            last_word.eq(word + 1 == config.unit_words),
            last_unit.eq(left == config.unit_words),
            pixel_end.eq(config.multi_pixel | (unit + 1 == config.units_per_pixel)),
            advance.eq(~self.o_words.valid | self.o_words.ready),
        ]
        if core.winner_depth:
            self._find_marks(m, next_plane, order.unit_chan + word_chan)

        o = self.o_words.payload
        n_chans = self._count_chans(m, order.unit_chan + word_chan)
        described = [
            *order.context_of(o),
            o.chan.eq(order.plane_chan + order.unit_chan + word_chan),
            o.save.eq((word == 0) & order.first_ctx),
            o.rewind.eq((word == 0) & ~order.first_ctx),
            o.release.eq(last_word & order.last_gctx & order.last_kctx),
            o.free_to.eq(Mux(last_unit, aligned, next_unit) >> words_log2),
            o.n_chans.eq(n_chans),
            o.plane_end.eq(last_unit & last_word),
            o.marker.eq(0),
        ]
        with m.If(self.o_words.ready):
            m.d.sync += self.o_words.valid.eq(0)
        with m.FSM():
            order.begin(m, self, [left.eq(config.words_per_row), unit.eq(0), word.eq(0), word_chan.eq(0)])
            with m.State("SCAN"):
                m.d.comb += self.waiting_masks.eq(~available)
                with m.If(available & advance):
                    m.d.comb += self.mask_en.eq(1)
                    m.d.sync += [self.o_words.valid.eq(1), *described]
                    m.d.sync += [word.eq(word + 1), word_chan.eq(word_chan + core.detector_width)]
                    with m.If(last_word):
                        m.d.sync += [word.eq(0), word_chan.eq(0)]
                        order.next_context(m)
                        with m.If(order.last_gctx & order.last_kctx):
                            m.d.sync += [unit.eq(unit + 1), unit_ptr.eq(next_unit), left.eq(left - config.unit_words)]
                            with m.If(pixel_end):
                                m.d.sync += [unit.eq(0), order.unit_chan.eq(0)]
                                pixels = Mux(config.multi_pixel, Const(core.detector_width) >> config.pitch_log2, 1)
                                m.d.sync += order.col.eq(order.col + pixels)
                            with m.If(last_unit):
                                m.d.comb += next_plane.eq(1)
                                m.d.sync += [unit_ptr.eq(aligned), left.eq(config.words_per_row)]
                                order.next_plane(m)
                                with m.If(order.last_plane):
                                    m.next = "ROW END"
            with m.State("ROW END"):
                with m.If(advance):
                    m.d.sync += [
                        self.o_words.valid.eq(1), o.marker.eq(1), o.save.eq(0), o.rewind.eq(0), o.release.eq(0),
                        o.plane_end.eq(0),
                    ]  # fmt: skip
                    m.next = "SETTLE"
            order.end(m, self, ~self.o_words.valid & self.settled)
        return m

    def _count_chans(self, m, chan):
        """Channels of the word that exist, if it belongs to one pixel and begins with ``chan``."""
        n_chans = Signal.like(self.o_words.payload.n_chans)
        chans_left = Signal(signed(18))
        width = self._config.detector_width
        m.d.comb += [
            chans_left.eq(self.config.in_chans - chan),
            n_chans.eq(Mux(chans_left < 0, 0, Mux(chans_left < width, chans_left, width))),
        ]
        return n_chans

    def _find_marks(self, m, next_plane, chan):
        """Marks of a plane's channels begin on a fresh row."""
        plane_row = Signal(len(self.mark_row), reset_less=True)
        m.d.comb += self.mark_row.eq(plane_row + (chan >> exact_log2(self._config.detector_width)))
        with m.If(self.waiting_row):
            m.d.sync += plane_row.eq(self.config.in_winner_row)
        with m.Elif(next_plane):
            m.d.sync += plane_row.eq(plane_row + self.config.in_winner_step)
