"""The number of value beats of row records, from their masks."""

from random import Random

import pytest

from quiesce.rtl.frontend.value_counter import ValueCounter
from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.checksums import CHECK_BYTES
from quiesce.spec.config import preset
from tests.rtl.support import simulate


@pytest.mark.parametrize("checked", [0, 1])
@pytest.mark.parametrize("bits", [4, 8, 16])
@pytest.mark.parametrize("mask_beats", [1, 3])
def test_value_beats_of_records(mask_beats, bits, checked):
    config = preset("tiny", act_depth=64, record_check=checked, state_depth=64 * (bits == 16))
    dut, rng, size, narrow = ValueCounter(config), Random(mask_beats + bits), config.beat_bytes, bits == 4
    counts = [rng.choice([0, 1, 64 * mask_beats, rng.randrange(64 * mask_beats)]) for _ in range(60)]
    seen, wanted = [], []
    for n_values in counts:
        n_bytes = ceil_div(n_values * bits, 8)
        beats = ceil_div(n_bytes, size)
        with_check = ceil_div(n_bytes + CHECK_BYTES, size) if n_values and checked else beats
        if narrow and n_values and checked:  # the check begins at a half byte
            with_check = ceil_div(n_values + 2 * CHECK_BYTES, 2 * size)
        wanted.append((with_check, with_check != beats))

    async def results(ctx):
        ports = (dut.o_valid, dut.o_beats, *([dut.o_check_alone] if checked else []))
        while True:
            _, _, valid, *result = await ctx.tick().sample(*ports)
            if valid:
                seen.append((result[0], bool(result[1]) if checked else False))

    async def bench(ctx):
        ctx.set(dut.mask_beats, mask_beats)
        ctx.set(dut.narrow, narrow)
        if bits == 16:
            ctx.set(dut.wide, 1)
        for n_values in counts:
            places = rng.sample(range(64 * mask_beats), n_values)
            mask = sum(1 << place for place in places)
            for beat in range(mask_beats):
                while rng.random() < 0.3:
                    await ctx.tick()
                ctx.set(dut.write, 1)
                ctx.set(dut.beat, mask >> (64 * beat) & ((1 << 64) - 1))
                await ctx.tick()
                ctx.set(dut.write, 0)
        for _ in range(4):
            await ctx.tick()

    simulate(dut, bench, background=[results])
    assert seen == wanted
