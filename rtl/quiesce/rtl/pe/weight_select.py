"""Weights of 2, 4 or 8 bits out of a row of the weight memory."""

from typing import Any

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.lib.bits import bits_for_index
from quiesce.spec.config import CoreConfig

__all__ = ["WeightSelect"]


class WeightSelect(wiring.Component):
    """One weight word of a row, each weight extended to eight bits. Combinational.

    A row holds ``data_width / (bits n_lanes)`` words one after the other, lane 0 lowest, with bits = 8 >> ``weight_log2``.

    Members
    -------
    packed : a row of the weight memory
    weight_log2 : 0 for weights of 8 bits, 1 for 4, 2 for 2
    word : index of the word; bits above those that tell the words of a row apart are ignored
    weight : the lanes' weights, 8 bits each
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "packed": In(config.data_width),
                "weight_log2": In(2),
                "word": In(bits_for_index(config.words_per_row(2))),
                "weight": Out(8 * config.n_lanes),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        lanes = self._config.n_lanes
        first = Signal(8 * lanes)  # the word is in the lowest bits
        with m.Switch(self.weight_log2):
            for weight_log2, bits in enumerate((8, 4, 2)):
                with m.Case(weight_log2):
                    index = self.word[: (self._config.words_per_row(bits) - 1).bit_length()]
                    m.d.comb += first.eq(self.packed.word_select(index, bits * lanes) if len(index) else self.packed)
                    for lane in range(lanes):
                        m.d.comb += self.weight.word_select(lane, 8).eq(first.word_select(lane, bits).as_signed())
        return m
