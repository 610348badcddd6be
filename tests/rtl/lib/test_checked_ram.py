"""Protected RAMs: they clear themselves, and flips of what they hold are corrected or shown."""

from random import Random

import pytest
from amaranth import Module, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from quiesce.rtl.lib.checked_ram import CheckedRam
from quiesce.rtl.lib.ram import Ram
from tests.rtl.support import simulate

DEPTH, WIDTH = 12, 24
PARITY, SECDED = 1, 2


class Damaging(wiring.Component):
    """A RAM that stores words with the bits of ``flips`` flipped."""

    def __init__(self, ram: Ram):
        self._ram = ram
        super().__init__({**ram.signature.members, "flips": In(len(ram.write_data))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.ram = self._ram
        for name in self._ram.signature.members:
            inner, outer = getattr(self._ram, name), getattr(self, name)
            m.d.comb += outer.eq(inner) if name == "read_data" else inner.eq(outer)
        m.d.comb += self._ram.write_data.eq(self.write_data ^ self.flips)
        return m


class Bench:
    """A protected RAM, and what is done with it."""

    def __init__(self, check: int, *, n_parts: int = 1, transparent: bool = False):
        self.dut = CheckedRam(check, unsigned(WIDTH), DEPTH, n_parts=n_parts, transparent=transparent)
        self.ram = self.dut._ram = Damaging(self.dut._ram)

    async def clear(self, ctx) -> None:
        cycles = 0
        while ctx.get(self.dut.ram_status.clearing):
            await ctx.tick()
            cycles += 1
        assert cycles == DEPTH

    async def write(self, ctx, row: int, word: int, parts: int = 1) -> None:
        dut = self.dut
        ctx.set(dut.write_en, parts)
        ctx.set(dut.write_addr, row)
        ctx.set(dut.write_data, word)
        await ctx.tick()
        ctx.set(dut.write_en, 0)

    async def read(self, ctx, row: int) -> tuple[int, int, int]:
        """The word, and whether it is damaged or was corrected."""
        dut = self.dut
        ctx.set(dut.read_en, 1)
        ctx.set(dut.read_addr, row)
        await ctx.tick()
        ctx.set(dut.read_en, 0)
        return ctx.get(dut.read_data), ctx.get(dut.ram_status.error), ctx.get(dut.ram_status.corrected)

    async def write_damaged(self, ctx, row: int, word: int, *flips: int) -> None:
        ctx.set(self.ram.flips, sum(1 << flip for flip in flips))
        await self.write(ctx, row, word)
        ctx.set(self.ram.flips, 0)


@pytest.mark.parametrize("check", [PARITY, SECDED])
@pytest.mark.parametrize("transparent", [False, True])
def test_holds_what_is_written(check: int, transparent: bool) -> None:
    """Words come back, also those that nobody has written, and without a word about damage."""
    bench = Bench(check, n_parts=2, transparent=transparent)
    rng = Random(check)

    async def run(ctx):
        await bench.clear(ctx)
        model = [0] * DEPTH
        for _ in range(300):
            row, word, parts = rng.randrange(DEPTH), rng.randrange(1 << WIDTH), rng.randrange(4)
            await bench.write(ctx, row, word, parts)
            mask = sum(((1 << 12) - 1) << 12 * part for part in (0, 1) if parts >> part & 1)
            model[row] = (model[row] & ~mask) | (word & mask)
            row = rng.randrange(DEPTH)
            assert await bench.read(ctx, row) == (model[row], 0, 0)

    simulate(bench.dut, run)


@pytest.mark.parametrize("transparent", [False, True])
def test_a_read_beside_a_write_of_its_word(transparent: bool) -> None:
    """A word that no user may look at is not called damaged either, whatever a macro returns."""
    bench = Bench(PARITY, transparent=transparent)

    async def run(ctx):
        await bench.clear(ctx)
        dut = bench.dut
        for word in (1, 3, 7, 6):
            ctx.set(dut.write_en, 1)
            ctx.set(dut.write_data, word)
            read, error, _ = await bench.read(ctx, 0)
            assert not error and (read == word or not transparent)
            ctx.set(dut.write_en, 0)

    simulate(bench.dut, run)


def test_every_single_flip() -> None:
    """Parity shows it, and correction undoes it; a pair is shown."""
    for check in (PARITY, SECDED):
        bench = Bench(check)
        places = len(bench.ram.flips)

        async def run(ctx, bench=bench, check=check, places=places):
            await bench.clear(ctx)
            for flip in range(places):
                word = 0x5A5A5A ^ flip
                await bench.write_damaged(ctx, flip % DEPTH, word, flip)
                read, error, corrected = await bench.read(ctx, flip % DEPTH)
                assert (error, corrected) == ((1, 0) if check == PARITY else (0, 1))
                assert read == word or check == PARITY
            if check == SECDED:
                await bench.write_damaged(ctx, 0, 0x123456, 3, places - 1)
                assert (await bench.read(ctx, 0))[1:] == (1, 0)

        simulate(bench.dut, run)
