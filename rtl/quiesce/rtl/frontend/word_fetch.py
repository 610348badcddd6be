"""Order of the scan: rows, planes, units, contexts, mask words."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from quiesce.rtl.frontend.interfaces import beat_pointer_width, word_layout
from quiesce.rtl.frontend.scan_order import ORDER_FIELDS, ScanOrder
from quiesce.rtl.lib.bits import bits_for_index
from quiesce.rtl.lib.layouts import pass_layout
from quiesce.rtl.pe.interfaces import chan_width
from quiesce.spec.config import CoreConfig

__all__ = ["WordFetch", "fetch_fields"]

_FIELDS = (
    *ORDER_FIELDS, "words_per_row", "unit_words", "units_per_pixel", "pitch_log2", "multi_pixel", "slot_base", "in_chans",
)  # fmt: skip


def fetch_fields(config: CoreConfig) -> tuple[str, ...]:
    """Pass fields that the scan order depends on."""
    return _FIELDS + (("in_winner_row", "in_winner_step") if config.winner_depth else ())


class _Words:
    """Registers of the position in a row of a plane, in words: the unit, and the word of it."""

    def __init__(self, core: CoreConfig):
        self._words_log2 = exact_log2(core.data_width // core.detector_width)  # words in a beat
        pointer = beat_pointer_width(core) + self._words_log2
        self.unit_ptr = Signal(pointer)  # ring position of the unit's first word; a pass begins where the last one has ended
        self.left = Signal(16, reset_less=True)  # words of the row from this unit on
        self.unit = Signal(8, reset_less=True)  # of its pixel
        self.word = Signal(8, reset_less=True)  # of its unit
        self.chan = Signal(chan_width(core), reset_less=True, name="word_chan")  # of the word's bit 0 in its unit
        self.address = Signal(pointer)
        self.next_unit = Signal(pointer)
        self.aligned = Signal(pointer)  # the same at the start of a beat
        self.last = Signal(name="last_word")  # of its unit
        self.last_unit = Signal()  # of its row
        self.pixel_end = Signal()

    def beat_of(self, word: Value) -> Value:
        """The beat that a ring position lies in."""
        return word >> self._words_log2

    def connect(self, m: Module, config: data.View) -> None:
        words_log2 = self._words_log2
        up = (self.next_unit + (1 << words_log2) - 1) >> words_log2
        m.d.comb += [
            self.address.eq(self.unit_ptr + self.word),
            self.next_unit.eq(self.unit_ptr + config.unit_words),
            self.aligned.eq(Cat(Const(0, words_log2), up[: len(self.aligned) - words_log2])),
            self.last.eq(self.word + 1 == config.unit_words),
            self.last_unit.eq(self.left == config.unit_words),
            self.pixel_end.eq(config.multi_pixel | (self.unit + 1 == config.units_per_pixel)),
        ]

    def restart(self, config: data.View) -> list[Any]:
        """Assignments before a row."""
        return [self.left.eq(config.words_per_row), self.unit.eq(0), self.word.eq(0), self.chan.eq(0)]


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

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, core = self.config, self._config
        order = ScanOrder(core, config, chan_bits=chan_width(core), first_slot=config.slot_base)
        words = _Words(core)
        available = Signal()
        advance = Signal()
        words.connect(m, config)
        m.d.comb += [
            self.mask_addr.eq(words.address),
            available.eq(words.beat_of(words.address) != self.mask_written),
            advance.eq(~self.o_words.valid | self.o_words.ready),
        ]
        next_plane = Signal()
        if core.winner_depth:
            self._find_marks(m, next_plane, order.unit_chan + words.chan)

        o = self.o_words.payload
        described = self._describe(m, order, words)
        with m.If(self.o_words.ready):
            m.d.sync += self.o_words.valid.eq(0)
        with m.FSM():
            order.begin(m, self, words.restart(config))
            with m.State("SCAN"):
                m.d.comb += self.waiting_masks.eq(~available)
                with m.If(available & advance):
                    m.d.comb += self.mask_en.eq(1)
                    m.d.sync += [self.o_words.valid.eq(1), *described]
                    self._next_word(m, order, words, next_plane)
            with m.State("ROW END"):
                with m.If(advance):
                    m.d.sync += [
                        self.o_words.valid.eq(1), o.row_end.eq(1), o.save.eq(0), o.rewind.eq(0), o.release.eq(0),
                        o.plane_end.eq(0),
                    ]  # fmt: skip
                    m.next = "SETTLE"
            order.end(m, self, ~self.o_words.valid & self.settled)
        return m

    def _describe(self, m: Module, order: ScanOrder, words: _Words) -> list[Any]:
        """Assignments of what the word means."""
        o, chan = self.o_words.payload, order.unit_chan + words.chan
        return [
            *order.context_of(o),
            o.chan.eq(order.plane_chan + order.unit_chan + words.chan),
            o.save.eq((words.word == 0) & order.first_ctx),
            o.rewind.eq((words.word == 0) & ~order.first_ctx),
            o.release.eq(words.last & order.last_gctx & order.last_kctx),
            o.free_to.eq(words.beat_of(Mux(words.last_unit, words.aligned, words.next_unit))),
            o.n_chans.eq(self._count_chans(m, chan)),
            o.plane_end.eq(words.last_unit & words.last),
            o.row_end.eq(0),
        ]

    def _next_word(self, m: Module, order: ScanOrder, words: _Words, next_plane: Signal) -> None:
        """To the next word of the unit, the next context, unit, pixel or plane, or the end of the row."""
        config, width = self.config, self._config.detector_width
        m.d.sync += [words.word.eq(words.word + 1), words.chan.eq(words.chan + width)]
        with m.If(words.last):
            m.d.sync += [words.word.eq(0), words.chan.eq(0)]
            order.next_context(m)
            with m.If(order.last_gctx & order.last_kctx):
                m.d.sync += [
                    words.unit.eq(words.unit + 1),
                    words.unit_ptr.eq(words.next_unit),
                    words.left.eq(words.left - config.unit_words),
                ]
                with m.If(words.pixel_end):
                    pixels = Mux(config.multi_pixel, Const(width) >> config.pitch_log2, 1)
                    m.d.sync += [words.unit.eq(0), order.unit_chan.eq(0), order.col.eq(order.col + pixels)]
                with m.If(words.last_unit):
                    m.d.comb += next_plane.eq(1)
                    m.d.sync += [words.unit_ptr.eq(words.aligned), words.left.eq(config.words_per_row)]
                    order.next_plane(m)
                    with m.If(order.last_plane):
                        m.next = "ROW END"

    def _count_chans(self, m: Module, chan: Value) -> Signal:
        """Channels of the word that exist, if it belongs to one pixel and begins with ``chan``."""
        n_chans = Signal.like(self.o_words.payload.n_chans)
        chans_left = Signal(signed(18))
        width = self._config.detector_width
        m.d.comb += [
            chans_left.eq(self.config.in_chans - chan),
            n_chans.eq(Mux(chans_left < 0, 0, Mux(chans_left < width, chans_left, width))),
        ]
        return n_chans

    def _find_marks(self, m: Module, next_plane: Signal, chan: Value) -> None:
        """Marks of a plane's channels begin on a fresh row."""
        plane_row = Signal(len(self.mark_row), reset_less=True)
        m.d.comb += self.mark_row.eq(plane_row + (chan >> exact_log2(self._config.detector_width)))
        with m.If(self.waiting_row):
            m.d.sync += plane_row.eq(self.config.in_winner_row)
        with m.Elif(next_plane):
            m.d.sync += plane_row.eq(plane_row + self.config.in_winner_step)
