"""Integer rescale of one partial sum per cycle."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.lib.layouts import field_shape
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import PARAM_FIELDS

__all__ = ["Requantize", "PARAM_LAYOUT", "PARAM_WIDTH"]

PARAM_LAYOUT = data.StructLayout({name: field_shape(field) for name, field in PARAM_FIELDS.items()})
"""Parameters of one output channel, as in isa.PARAM_FIELDS: ``bias``, ``multiplier``, ``shift``."""

PARAM_WIDTH = PARAM_LAYOUT.size


class Requantize(wiring.Component):
    """Requantise a partial sum::

        q   = clip(((psum + bias) * multiplier + half) >> shift, low, high)     half = 1 << (shift - 1), or 0 if shift is 0
        out = 0 if 0 <= q < threshold else q

    Equal to ``quiesce.sw.format.requantize`` for ``psum + bias`` within int32; the hardware stays exact for any pair, as the sum
    has 33 bits and the product 49. One result per cycle, `LATENCY` cycles after its operands, if all stages are enabled.

    Members
    -------
    en : one bit per stage, stage 0 the first; a stage whose bit is 0 keeps its registers
    i_psum, i_param : operands of stage 0
    clip_low, clip_high, threshold : stable while results are in flight; -127..127, low <= high; threshold 0..127
    o_value : result, in the registers of the last stage
    """

    LATENCY = 5  # sum, partial products, product, shift, clip

    def __init__(self, config: CoreConfig):
        super().__init__(
            {
                "en": In(self.LATENCY),
                "i_psum": In(signed(config.acc_width)),
                "i_param": In(PARAM_LAYOUT),
                "clip_low": In(signed(8)),
                "clip_high": In(signed(8)),
                "threshold": In(unsigned(8)),
                "o_value": Out(signed(8), init=0),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()

        total = Signal(signed(33), reset_less=True)
        multiplier = Signal(16, reset_less=True)
        shift = [Signal(6, reset_less=True, name=f"shift_{stage}") for stage in range(3)]
        with m.If(self.en[0]):
            m.d.sync += [
                total.eq(self.i_psum + self.i_param.bias),
                multiplier.eq(self.i_param.multiplier),
                shift[0].eq(self.i_param.shift),
            ]

        # Two halves of the multiplication, as 33 x 16 bits in one cycle would be the longest path of the core.
        low = Signal(signed(41), reset_less=True)
        high = Signal(signed(41), reset_less=True)
        with m.If(self.en[1]):
            m.d.sync += [low.eq(total * multiplier[:8]), high.eq(total * multiplier[8:]), shift[1].eq(shift[0])]

        product = Signal(signed(49), reset_less=True)
        with m.If(self.en[2]):
            m.d.sync += [product.eq(low + (high << 8)), shift[2].eq(shift[1])]

        # floor(p / 2^s + 1/2) is floor(p / 2^s) plus the highest bit shifted out, which lands in bit 0 of (2 p) >> s.
        shifted = Signal(signed(50))
        floor, half = shifted[1:], shifted[0]
        # Nine bits are enough in front of a clip to eight: what does not fit saturates.
        saturated = Signal(signed(9), reset_less=True)
        half_q = Signal(reset_less=True)
        fits = floor[8:].all() | ~floor[8:].any()
        m.d.comb += shifted.eq(Cat(Const(0, 1), product).as_signed() >> shift[2])
        with m.If(self.en[3]):
            m.d.sync += [
                saturated.eq(Mux(fits, floor[:9], Cat((~floor[-1]).replicate(8), floor[-1]))),
                half_q.eq(half),
            ]

        rounded = Signal(signed(10))
        clipped = Signal(signed(8))
        m.d.comb += [
            rounded.eq(saturated + half_q),
            clipped.eq(Mux(rounded < self.clip_low, self.clip_low, Mux(rounded > self.clip_high, self.clip_high, rounded))),
        ]
        with m.If(self.en[4]):
            m.d.sync += self.o_value.eq(Mux((clipped >= 0) & (clipped < self.threshold), 0, clipped))
        return m
