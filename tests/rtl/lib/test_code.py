"""Codes of stored words: every single flip, and pairs of them."""

from itertools import combinations

import pytest
from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.lib.code import Code, code_for
from tests.rtl.support import simulate


class Decoder(wiring.Component):
    def __init__(self, code: Code):
        self._code = code
        width = len(code.columns)
        super().__init__({
            "word": In(width), "checks": In(code.n_checks), "stored": Out(width), "uncertain": Out(1), "corrected": Out(1),
            "encoded": Out(code.n_checks),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        stored, uncertain, corrected = self._code.decode(m, self.word, self.checks)
        unused = Signal()
        m.d.sync += unused.eq(~unused)
        m.d.comb += [
            self.stored.eq(stored), self.uncertain.eq(uncertain), self.corrected.eq(corrected),
            self.encoded.eq(self._code.check_bits(self.word)),
        ]  # fmt: skip
        return m


@pytest.mark.parametrize("width", [1, 7, 24, 64])
@pytest.mark.parametrize("check", [1, 2])
def test_flips(check: int, width: int) -> None:
    code = code_for(check, width)
    dut = Decoder(code)
    word = 0x9E3779B97F4A7C15 & ((1 << width) - 1)
    places = range(width + code.n_checks)

    async def bench(ctx):
        def decode(*flips: int) -> tuple[int, int, int]:
            total = (word | code.checks(word) << width) ^ sum(1 << flip for flip in flips)
            ctx.set(dut.word, total & ((1 << width) - 1))
            ctx.set(dut.checks, total >> width)
            return ctx.get(dut.stored), ctx.get(dut.uncertain), ctx.get(dut.corrected)

        assert decode() == (word, 0, 0) and ctx.get(dut.encoded) == code.checks(word)
        for flip in places:
            stored, uncertain, corrected = decode(flip)
            assert (uncertain, corrected) == ((0, 1) if code.corrects else (1, 0))
            assert stored == word or not code.corrects
        for pair in list(combinations(places, 2))[:: 1 + width // 8]:
            if code.corrects:
                _, uncertain, corrected = decode(*pair)
                assert uncertain and not corrected
        await ctx.tick()

    simulate(dut, bench)


def test_no_more_check_bits_than_needed() -> None:
    assert [code_for(2, width).n_checks for width in (1, 4, 5, 11, 12, 26, 27, 57, 58, 120)] == [3, 4, 5, 5, 6, 6, 7, 7, 8, 8]
    assert code_for(0, 8) is None
