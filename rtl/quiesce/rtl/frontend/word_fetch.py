"""Order of the scan: rows, planes, units, contexts, mask words."""

from amaranth import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from quiesce.rtl.frontend.buffers import beat_pointer_width
from quiesce.rtl.frontend.found import place_fields
from quiesce.rtl.lib.bits import bits_for_index
from quiesce.rtl.lib.layouts import pass_layout
from quiesce.rtl.pe.events import acc_addr_width, chan_width, slot_width
from quiesce.spec.config import CoreConfig

__all__ = ["WordFetch", "word_layout", "fetch_fields"]

_FIELDS = (
    "n_kctx", "n_gctx", "n_planes", "n_rows", "words_per_row", "unit_words", "units_per_pixel", "pitch_log2", "multi_pixel",
    "kctx_dr", "kctx_acc", "gctx_acc", "slot_base", "ctx_slots", "plane_slots", "unit_slots", "in_chans",
    "targeted",
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
    """Reads the mask words of a pass in scan order, each as often as there are contexts.

    A *unit* (one word with several pixels, or some words of one pixel) is scanned once per context before the next one. At the
    end of a row the pipeline behind runs empty before ``row_advance``; events waiting in the PE FIFOs hide those cycles.

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

        row = Signal(16, reset_less=True)
        plane = Signal(8, reset_less=True)
        unit_ptr = Signal(pointer)  # ring position of the unit's first word; a pass begins where the last one has ended
        left = Signal(16, reset_less=True)  # words of the row from this unit on
        col = Signal(bits_for_index(core.max_cols), reset_less=True)
        unit = Signal(8, reset_less=True)
        kctx = Signal(8, reset_less=True)
        gctx = Signal(8, reset_less=True)
        word = Signal(8, reset_less=True)
        plane_chan = Signal(chan_width(core), reset_less=True)
        unit_chan = Signal(chan_width(core), reset_less=True)
        word_chan = Signal(chan_width(core), reset_less=True)
        ctx_slot = Signal(slot_width(core), reset_less=True)
        ctx_acc = Signal(acc_addr_width(core), reset_less=True)
        kctx_acc = Signal(acc_addr_width(core), reset_less=True)
        kshift = Signal(8, reset_less=True)

        address = Signal(pointer)
        next_unit = Signal(pointer)
        aligned = Signal(pointer)
        available = Signal()
        advance = Signal()
        last_word = Signal()
        last_gctx = Signal()
        last_kctx = Signal()
        last_unit = Signal()
        pixel_end = Signal()
        next_plane = Signal()
        chans_left = Signal(signed(18))
        n_chans = Signal.like(self.o_words.payload.n_chans)
        m.d.comb += [
            address.eq(unit_ptr + word),
            self.mask_addr.eq(address),
            next_unit.eq(unit_ptr + config.unit_words),
            aligned.eq(Cat(Const(0, words_log2), ((next_unit + (1 << words_log2) - 1) >> words_log2)[: pointer - words_log2])),
            available.eq(address[words_log2:] != self.mask_written),
            last_word.eq(word + 1 == config.unit_words),
            last_gctx.eq(gctx + 1 == config.n_gctx),
            last_kctx.eq(kctx + 1 == config.n_kctx),
            last_unit.eq(left == config.unit_words),
            chans_left.eq(config.in_chans - (unit_chan + word_chan)),
            n_chans.eq(Mux(chans_left < 0, 0, Mux(chans_left < core.detector_width, chans_left, core.detector_width))),
            pixel_end.eq(config.multi_pixel | (unit + 1 == config.units_per_pixel)),
            advance.eq(~self.o_words.valid | self.o_words.ready),
        ]

        o = self.o_words.payload
        with m.If(self.o_words.ready):
            m.d.sync += self.o_words.valid.eq(0)
        if core.winner_depth:
            self._find_marks(m, next_plane, unit_chan + word_chan)

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.scanned.eq(1)
                with m.If(self.start):
                    m.d.sync += row.eq(0)
                    m.next = "ROW"
            with m.State("ROW"):
                m.d.comb += self.waiting_row.eq(1)
                m.d.sync += [
                    plane_chan.eq(Mux(config.targeted, -config.gctx_acc, 0)),
                    plane.eq(0), left.eq(config.words_per_row), col.eq(0), unit.eq(0), kctx.eq(0), gctx.eq(0), word.eq(0),
                    unit_chan.eq(0), word_chan.eq(0), ctx_slot.eq(config.slot_base), ctx_acc.eq(0), kctx_acc.eq(0), kshift.eq(0),
                ]  # fmt: skip
                with m.If(self.go):
                    m.next = "SCAN"
            with m.State("SCAN"):
                m.d.comb += self.waiting_masks.eq(~available)
                with m.If(available & advance):
                    m.d.comb += self.mask_en.eq(1)
                    m.d.sync += [
                        self.o_words.valid.eq(1),
                        o.col.eq(col),
                        o.chan.eq(plane_chan + unit_chan + word_chan),
                        o.ctx_slot.eq(ctx_slot),
                        o.ctx_acc.eq(ctx_acc),
                        o.kshift.eq(kshift),
                        o.last_group.eq(last_gctx),
                        o.first_ctx.eq((gctx == 0) & (kctx == 0)),
                        o.save.eq((word == 0) & (gctx == 0) & (kctx == 0)),
                        o.rewind.eq((word == 0) & ((gctx != 0) | (kctx != 0))),
                        o.release.eq(last_word & last_gctx & last_kctx),
                        o.free_to.eq(Mux(last_unit, aligned, next_unit) >> words_log2),
                        o.n_chans.eq(n_chans),
                        o.plane_end.eq(last_unit & last_word),
                        o.marker.eq(0),
                        word.eq(word + 1),
                        word_chan.eq(word_chan + core.detector_width),
                    ]
                    with m.If(last_word):
                        m.d.sync += [
                            word.eq(0), word_chan.eq(0), gctx.eq(gctx + 1), ctx_acc.eq(ctx_acc + config.gctx_acc),
                            ctx_slot.eq(ctx_slot + config.ctx_slots),
                        ]  # fmt: skip
                        with m.If(last_gctx):
                            m.d.sync += [
                                gctx.eq(0), kctx.eq(kctx + 1), kshift.eq(kshift + config.kctx_dr),
                                kctx_acc.eq(kctx_acc + config.kctx_acc), ctx_acc.eq(kctx_acc + config.kctx_acc),
                            ]  # fmt: skip
                        with m.If(last_gctx & last_kctx):
                            m.d.sync += [
                                kctx.eq(0), kshift.eq(0), kctx_acc.eq(0), ctx_acc.eq(0), ctx_slot.eq(config.slot_base),
                                unit.eq(unit + 1), unit_chan.eq(unit_chan + config.unit_slots),
                                unit_ptr.eq(next_unit), left.eq(left - config.unit_words),
                            ]  # fmt: skip
                            with m.If(pixel_end):
                                m.d.sync += [unit.eq(0), unit_chan.eq(0)]
                                pixels = Mux(config.multi_pixel, Const(core.detector_width) >> config.pitch_log2, 1)
                                m.d.sync += col.eq(col + pixels)
                            with m.If(last_unit):
                                m.d.comb += next_plane.eq(1)
                                m.d.sync += [
                                    unit_ptr.eq(aligned), left.eq(config.words_per_row), col.eq(0), plane.eq(plane + 1),
                                    plane_chan.eq(plane_chan + config.plane_slots),
                                ]  # fmt: skip
                                with m.If(plane + 1 == config.n_planes):
                                    m.next = "MARK"
            with m.State("MARK"):
                with m.If(advance):
                    m.d.sync += [
                        self.o_words.valid.eq(1), o.marker.eq(1), o.save.eq(0), o.rewind.eq(0), o.release.eq(0),
                        o.plane_end.eq(0),
                    ]  # fmt: skip
                    m.next = "SETTLE"
            with m.State("SETTLE"):
                with m.If(~self.o_words.valid & self.settled):
                    m.d.comb += self.row_advance.eq(1)
                    m.d.sync += row.eq(row + 1)
                    m.next = "ROW"
                    with m.If(row + 1 == config.n_rows):
                        m.next = "IDLE"
        return m

    def _find_marks(self, m, next_plane, chan):
        """Marks of a plane's channels begin on a fresh row."""
        plane_row = Signal(len(self.mark_row), reset_less=True)
        m.d.comb += self.mark_row.eq(plane_row + (chan >> exact_log2(self._config.detector_width)))
        with m.If(self.waiting_row):
            m.d.sync += plane_row.eq(self.config.in_winner_row)
        with m.Elif(next_plane):
            m.d.sync += plane_row.eq(plane_row + self.config.in_winner_step)
