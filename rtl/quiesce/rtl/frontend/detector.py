"""Nonzero detector: mask words in, one activation per cycle out."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from quiesce.rtl.frontend.interfaces import beat_pointer_width, found_layout, word_layout
from quiesce.rtl.lib.bits import bits_for_index, encode_onehot, lowest_set, popcount
from quiesce.rtl.lib.layouts import pass_layout
from quiesce.spec.config import CoreConfig

__all__ = ["Detector", "detector_fields"]


def detector_fields(config: CoreConfig) -> tuple[str, ...]:
    """Pass fields that say which bits of a word count."""
    fields = ("in_narrow", "pitch_log2", "multi_pixel", "word_mask", "row_mask")
    return (*fields, *["in_ranked"] * bool(config.winner_depth), *["in_wide"] * bool(config.state_depth))


class Detector(wiring.Component):
    """Finds the set bits of a word of ``detector_width`` activations, lowest first.

    Throughput: one activation per cycle, no bubble between words; a word without any takes one cycle. With ``emit_zeros`` every
    activation that exists is emitted. Waits for values that are still on their way (``waiting_values``).

    With ``in_ranked``, the activations of channels without a mark count as zeros; their values are passed over, so that they take
    no cycle.

    Members
    -------
    i_words, mask_data : the word's meaning and its bits, from WordFetch and the activation buffer
    value_en, value_addr, value_narrow : the value of the activation that is being accepted on ``o_found`` (read latency one
        cycle): its address in half bytes, and whether it has 4 bits
    value_wide : only with state between items: it has 16 bits
    marks : those of the word's channels, with the mask (with winners only)
    value_written : beats in the value ring
    mask_freed, value_freed : beats that are not needed any more
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "config": In(pass_layout(*detector_fields(config))),
                "emit_zeros": In(1),
                "i_words": In(stream.Signature(word_layout(config))),
                "mask_data": In(config.detector_width),
                "o_found": Out(stream.Signature(found_layout(config))),
                "value_en": Out(1),
                "value_addr": Out(bits_for_index(config.act_depth * config.beat_bytes) + 1),
                "value_narrow": Out(1),
                **({"value_wide": Out(1)} if config.state_depth else {}),
                "value_written": In(beat_pointer_width(config)),
                "mask_freed": Out(beat_pointer_width(config)),
                "value_freed": Out(beat_pointer_width(config)),
                "waiting_values": Out(1),
                "busy": Out(1),
                **({"marks": In(config.detector_width)} if config.winner_depth else {}),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        core, config, item = self._config, self.config, self.i_words.payload
        width = core.detector_width
        valid = Signal()
        word = Signal(word_layout(core), reset_less=True)
        pending = Signal(width)
        stored = Signal(width, reset_less=True)

        lowest = Signal(width)
        nonzero = Signal()
        more = Signal()
        finished = Signal()
        emitted = Signal()
        available = Signal()
        m.d.comb += [
            lowest.eq(lowest_set(pending)),
            nonzero.eq((stored & lowest) != 0),
            self.o_found.valid.eq(valid & (((pending != 0) & available) | word.row_end)),
            emitted.eq(self.o_found.valid & self.o_found.ready),
            more.eq((pending & ~lowest) != 0),
            finished.eq(valid & Mux((pending != 0) | word.row_end, emitted & ~more, available)),
            self.waiting_values.eq(valid & ~available),
            self.busy.eq(valid),
            self.value_en.eq(emitted & nonzero),
            self.value_narrow.eq(config.in_narrow),
            self.i_words.ready.eq(~valid | finished),
        ]
        if core.state_depth:
            m.d.comb += self.value_wide.eq(config.in_wide)
        self._describe(m, word, lowest, nonzero)
        passed = self._pass_over(m, lowest, more, emitted | finished) if core.winner_depth else None
        self._walk_values(m, word, nonzero, emitted, finished, available, passed)
        with m.If(emitted):
            m.d.sync += pending.eq(pending & ~lowest)
        with m.If(finished):
            m.d.sync += valid.eq(0)

        shown = Signal(width)  # stored values of a new word that count
        counted = Mux(config.in_ranked, self._marked(m), ~0) if core.winner_depth else ~0
        m.d.comb += shown.eq(self.mask_data & counted)
        thermometer = (Const(1, width + 1) << item.n_chans) - 1
        exists = Mux(config.multi_pixel, Mux(item.plane_end, config.row_mask, config.word_mask), thermometer)[:width]
        with m.If(self.i_words.valid & self.i_words.ready):
            m.d.sync += [
                valid.eq(1),
                word.eq(item),
                stored.eq(shown),
                pending.eq(Mux(item.row_end, 0, Mux(self.emit_zeros, exists, shown))),
            ]
        return m

    def _describe(self, m: Module, word: data.View, lowest: Signal, nonzero: Signal) -> None:
        """What is found: the pixel and the channel of a word's bit."""
        config, found = self.config, self.o_found.payload
        bit = Signal(bits_for_index(self._config.detector_width))
        m.d.comb += [
            bit.eq(encode_onehot(lowest)),
            found.col.eq(Mux(config.multi_pixel, word.col + (bit >> config.pitch_log2), word.col)),
            found.chan.eq(word.chan + Mux(config.multi_pixel, bit & ((Const(1) << config.pitch_log2) - 1)[: len(bit)], bit)),
            found.ctx_slot.eq(word.ctx_slot),
            found.ctx_acc.eq(word.ctx_acc),
            found.kshift.eq(word.kshift),
            found.last_group.eq(word.last_group),
            found.first_ctx.eq(word.first_ctx),
            found.row_end.eq(word.row_end),
            found.nonzero.eq(nonzero),
        ]

    def _walk_values(
        self, m: Module, word: data.View, nonzero: Signal, emitted: Signal, finished: Signal, available: Signal,
        passed: data.View | None,
    ) -> None:  # fmt: skip
        """Address of the value wanted and whether it has arrived (``available``); what is not needed any more.

        ``passed``: with winners, see `_pass_over`.
        """
        core, config, item = self._config, self.config, self.i_words.payload
        per_beat = 2 * core.beat_bytes  # half bytes, the unit of value addresses
        beat_bits = exact_log2(per_beat)
        size_log2 = Cat(~(config.in_narrow | config.in_wide), config.in_wide) if core.state_depth else ~config.in_narrow
        pointer = beat_pointer_width(core) + beat_bits
        value_ptr = Signal(pointer)
        unit_ptr = Signal(pointer, reset_less=True)
        stepped = Signal(pointer)
        ended = Signal(pointer)
        m.d.comb += ended.eq(stepped)
        if passed is not None:
            address, reached = value_ptr + (passed.before << size_log2), value_ptr + (passed.total << size_log2)
            behind = (self.value_written - ((reached - 1) >> beat_bits))[: len(self.value_written)]
            m.d.comb += [
                self.value_addr.eq(address),
                stepped.eq(Mux(emitted | finished, reached, value_ptr)),
                available.eq((passed.total == 0) | ((behind != 0) & (behind <= core.act_depth))),
            ]
        else:
            m.d.comb += [
                self.value_addr.eq(value_ptr),
                stepped.eq(value_ptr + Mux(self.value_en, Const(1) << size_log2, 0)),
                available.eq(~nonzero | (value_ptr[beat_bits:] != self.value_written)),
            ]
        with m.If(finished & word.plane_end & word.release):  # values of the next row start on a fresh beat
            m.d.comb += ended.eq(Cat(Const(0, beat_bits), ((stepped + per_beat - 1) >> beat_bits)[: pointer - beat_bits]))
        m.d.sync += value_ptr.eq(ended)
        with m.If(finished), m.If(word.release):
            m.d.sync += [self.mask_freed.eq(word.free_to), self.value_freed.eq(ended[beat_bits:])]
        with m.If(self.i_words.valid & self.i_words.ready):
            with m.If(item.save):
                m.d.sync += unit_ptr.eq(ended)
            with m.If(item.rewind):
                m.d.sync += value_ptr.eq(unit_ptr)

    def _marked(self, m: Module) -> Signal:
        """Mark of each activation of the word: of its channel, in each of the pixels."""
        width = self._config.detector_width
        marked = Signal(width)
        m.d.comb += marked.eq(self.marks)
        with m.If(self.config.multi_pixel):
            with m.Switch(self.config.pitch_log2):
                for pitch_log2 in range(exact_log2(width)):
                    with m.Case(pitch_log2):
                        m.d.comb += marked.eq(self.marks[: 1 << pitch_log2].replicate(width >> pitch_log2))
        return marked

    def _pass_over(self, m: Module, lowest: Signal, more: Signal, done: Value) -> data.View:
        """Values of the word that lie ``before`` the lowest pending activation, and in ``total`` before what follows it.

        If nothing follows, these are all values that are left, those of losers behind it included. ``done``: they are passed.
        """
        width = self._config.detector_width
        unread = Signal(width, reset_less=True)
        n_unread = Signal(range(width + 1), reset_less=True)
        passed = Signal(data.StructLayout({"before": range(width + 1), "total": range(width + 1)}))
        below = (lowest - 1)[:width]  # all if nothing is pending
        m.d.comb += [
            passed.before.eq(popcount(unread & below)),
            passed.total.eq(Mux(more, passed.before + (unread & lowest).any(), n_unread)),
        ]
        with m.If(done):
            m.d.sync += [unread.eq(unread & ~(below | lowest)), n_unread.eq(n_unread - passed.total)]
        with m.If(self.i_words.valid & self.i_words.ready):
            present = Mux(self.i_words.payload.row_end, 0, self.mask_data)
            m.d.sync += [unread.eq(present), n_unread.eq(popcount(present))]
        return passed
