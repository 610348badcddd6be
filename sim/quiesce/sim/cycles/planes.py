"""The scan of one row record: when the detector comes to each activation, and which beats that needs and frees."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quiesce.spec.arithmetic import ceil_div

__all__ = ["PlaneScan", "RecordLayout"]

Ints = npt.NDArray[np.int64]
Bits = npt.NDArray[np.bool_]
Kinds = npt.NDArray[np.int8]


@dataclass(frozen=True, kw_only=True)
class RecordLayout:
    """How a row record is cut, see ``quiesce.rtl.frontend.word_fetch``.

    Members
    -------
    n_cols, pitch, n_chans : pixels, mask bits of each, and those of channels that exist
    unit_words : mask words that are scanned once per context before the next ones
    n_contexts : how often
    width : bits of a word
    words_per_beat, values_per_beat : mask words and values of a beat
    """

    n_cols: int
    pitch: int
    n_chans: int
    unit_words: int
    n_contexts: int
    width: int
    words_per_beat: int
    values_per_beat: int

    def padded(self, bits: Bits) -> Bits:
        """Bits (n_cols, channels) in the order of the record, filled up to whole words."""
        flat: Bits = np.zeros(ceil_div(self.n_cols * self.pitch, self.width) * self.width, np.bool_)
        flat[: self.n_cols * self.pitch].reshape(self.n_cols, self.pitch)[:, : bits.shape[1]] = bits
        return flat


@dataclass(frozen=True, kw_only=True, eq=False)
class PlaneScan:
    """Detector cycles are counted from 1 at the first word of the row.

    Members
    -------
    begin, end : cycles before the plane and with it
    cycle : of each activation found, in each context
    word, bit : where it is: the words are counted with their repetitions
    needed_values, needed_from : beats of values that activations need, and the first cycle that needs each
    masks_used, values_used : cycle with which each beat has been used
    """

    begin: int
    end: int
    cycle: Ints
    word: Ints
    bit: Ints
    needed_values: Ints
    needed_from: Ints
    masks_used: Ints
    values_used: Ints

    @classmethod
    def of(cls, layout: RecordLayout, kinds: Kinds, begin: int, *, emit_zeros: bool) -> "PlaneScan":
        """Scan the activations of these kinds, (n_cols, channels): see `predict`."""
        is_stored = layout.padded(kinds > 0)
        found = layout.padded(np.ones((layout.n_cols, layout.n_chans), np.bool_) if emit_zeros else kinds > 1)
        units = found.reshape(-1, 1, layout.unit_words * layout.width)
        words = np.broadcast_to(units, (len(units), layout.n_contexts, units.shape[2])).reshape(-1, layout.width)
        counts = words.sum(axis=1)
        cycles = np.maximum(1, counts)  # a word without any takes one
        ends = begin + np.cumsum(cycles)
        word, bit = np.nonzero(words)
        cycle = (ends - cycles)[word] + np.arange(len(word)) - (np.cumsum(counts) - counts)[word] + 1

        stored: Ints = np.cumsum(is_stored, dtype=np.int64)
        unit, rest = np.divmod(word, layout.n_contexts * layout.unit_words)
        place = (unit * layout.unit_words + rest % layout.unit_words) * layout.width + bit
        has_value = is_stored[place]
        needed, first = np.unique((stored[place[has_value]] - 1) // layout.values_per_beat, return_index=True)
        unit_ends = ends.reshape(len(units), -1)[:, -1]
        n_words = np.arange(1, len(units) + 1) * layout.unit_words
        return cls(
            begin=begin, end=int(ends[-1]), cycle=cycle, word=word, bit=bit, needed_values=needed,
            needed_from=cycle[has_value][first], masks_used=_used(unit_ends, n_words, layout.words_per_beat),
            values_used=_used(unit_ends, stored.reshape(len(units), -1)[:, -1], layout.values_per_beat),
        )  # fmt: skip


def _used(ends: Ints, reached: Ints, per_beat: int) -> Ints:
    """The cycle with which each beat has been used, if units with these ``ends`` reach so far; the last one frees all."""
    last = np.arange(1, ceil_div(int(reached[-1]), per_beat) + 1) * per_beat
    return np.asarray(ends[np.minimum(np.searchsorted(reached, last), len(ends) - 1)])
