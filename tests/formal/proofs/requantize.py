"""Proofs of rtl.requantize."""

from amaranth import Const, Mux, Signal, signed

from quiesce.rtl.backend.requantize import Requantize
from quiesce.spec.config import preset
from tests.formal.harness import Harness
from tests.formal.proof import Proof


def make(acc_width: int):
    return lambda: Requantize(preset("tiny", acc_width=acc_width))


class Product(Harness):
    """The first three stages: sum, its products with the two bytes of the multiplier, and the sum of these, for all operands; a
    stage that is not enabled keeps its result. What an ordinary multiplier computes is taken for granted."""

    def __init__(self, acc_width: int, **options):
        super().__init__(make(acc_width), **options)

    def describe(self, m):
        dut, param = self.dut, self.dut.i_param
        self.free_inputs(m)
        total, multiplier, by_low, by_high = map(self.peek, ("total", "multiplier", "low", "high"))
        product, shifts = self.peek("product"), [self.peek(f"shift_{stage}") for stage in range(3)]
        known = Signal(3)  # stages that have been enabled
        m.d.sync += known.eq(known | dut.en)
        expected = {
            "sum": (Signal.like(total), total, dut.i_psum + param.bias),
            "multiplier": (Signal.like(multiplier), multiplier, param.multiplier),
            "low column": (Signal.like(by_low), by_low, total * multiplier[:8]),
            "high column": (Signal.like(by_high), by_high, total * multiplier[8:]),
            "product": (Signal.like(product), product, by_low + 256 * by_high),
            **{f"shift {n}": (Signal(6), shifts[n], shifts[n - 1] if n else param.shift) for n in range(3)},
        }
        stages = (0, 0, 1, 1, 2, 0, 1, 2)
        for stage, (name, (model, register, value)) in zip(stages, expected.items(), strict=True):
            with m.If(dut.en[stage]):
                m.d.sync += model.eq(value)
            with m.If(known[stage]):
                m.d.comb += self.check(name, register == model)


class Shift(Harness):
    """The fourth stage: any product of 49 bits is rounded to the nearest, half a step upwards, and shifted by 0..63; what does
    not fit nine bits saturates."""

    def __init__(self, acc_width: int, **options):
        super().__init__(make(acc_width), **options)

    def describe(self, m):
        dut, wide = self.dut, 66
        self.free_inputs(m)
        saturated, half_q = self.peek("saturated"), self.peek("half_q")
        product, shift = self.peek("product"), self.peek("shift_2")
        kept, by, known = Signal.like(product), Signal(6), Signal()
        with m.If(dut.en[3]):
            m.d.sync += [kept.eq(product), by.eq(shift), known.eq(1)]
        floor, quotient = kept >> by, Signal(signed(wide))
        half = Mux(by == 0, 0, (Const(1, wide) << by)[: wide - 1] >> 1)
        m.d.comb += quotient.eq((kept + half) >> by)
        with m.If(known):
            m.d.comb += [
                self.check("saturated", saturated == Mux(floor > 255, 255, Mux(floor < -256, -256, floor))),
                self.check("rounded", (floor > 255) | (floor < -256) | (saturated + half_q == quotient)),
            ]


class Clip(Harness):
    """The last stage: clip and threshold of any quotient of nine bits and its rounding."""

    def __init__(self, acc_width: int, **options):
        super().__init__(make(acc_width), **options)

    def describe(self, m):
        dut = self.dut
        self.free_inputs(m)
        low, high, threshold = dut.clip_low, dut.clip_high, dut.threshold
        saturated, half_q = self.peek("saturated"), self.peek("half_q")
        value, clipped, known = Signal(signed(8)), Signal(signed(10)), Signal()
        quotient = saturated + half_q
        m.d.comb += [
            self.assume("clip", (low <= high) & (low >= -127) & (high >= -127)),
            clipped.eq(Mux(quotient < low, low, Mux(quotient > high, high, quotient))),
        ]
        with m.If(dut.en[4]):
            m.d.sync += [value.eq(Mux((clipped >= 0) & (clipped < threshold), 0, clipped)), known.eq(1)]
        with m.If(known):
            m.d.comb += self.check("value", dut.o_value == value)


PROOFS = [Proof(part, {"acc_width": 24}) for part in (Product, Clip, Shift)]
