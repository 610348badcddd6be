"""Multipliers of one PE."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.lib.bits import popcount
from quiesce.rtl.lib.layouts import held
from quiesce.spec.config import CoreConfig

__all__ = ["Multiplier"]


class Multiplier(wiring.Component):
    """Registered products of one activation with the weights of all lanes.

    Maximum pooling passes ``value + 128``, which is never negative, for lanes whose weight is not zero: its values have 8 bits.
    Latency one cycle.
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "en": In(1),
                "op_max": In(1),
                "value": In(signed(config.operand_width)),
                "weight": In(8 * config.n_lanes),
                "product": Out(data.ArrayLayout(signed(config.product_width), config.n_lanes)),
                "n_effectual": Out(range(config.n_lanes + 1)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        nonzero = Signal(self._config.n_lanes)
        products = held(m, self.product, "product_held")
        for lane in range(self._config.n_lanes):
            weight = self.weight.word_select(lane, 8).as_signed()
            m.d.comb += nonzero[lane].eq(weight != 0)
            biased = Mux(nonzero[lane], Cat(self.value[:7], ~self.value[7], Const(0)).as_signed(), 0)
            with m.If(self.en):
                m.d.sync += products[lane].eq(Mux(self.op_max, biased, self.value * weight))
        m.d.comb += self.n_effectual.eq(Mux(self.en & (self.value != 0), popcount(nonzero), 0))
        return m
