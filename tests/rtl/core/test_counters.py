"""Counters lose nothing, whenever they are flushed."""

import numpy as np

from quiesce.rtl.core.counters import CounterBank
from quiesce.spec.config import preset
from quiesce.spec.performance import COUNTER_STRIDE, Counter
from tests.rtl.support import simulate

CONFIG = preset("tiny", max_layers=4, state_depth=64)


def test_every_count_reaches_one_set():
    dut = CounterBank(CONFIG)
    rng = np.random.default_rng(1)
    counted = np.zeros(len(Counter), np.int64)

    async def bench(ctx):
        ctx.set(dut.clear, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        for cycle in range(650):
            values = rng.integers(0, CONFIG.lanes + 1, len(Counter)) if cycle < 550 else np.zeros(len(Counter), int)
            counted[:] += values
            for counter in Counter:
                ctx.set(dut.increments[counter], int(values[counter]))
            ctx.set(dut.flush, cycle == 600 or (cycle < 550 and rng.random() < 0.05))
            ctx.set(dut.layer, int(rng.integers(CONFIG.max_layers)))
            await ctx.tick()
        ctx.set(dut.flush, 0)
        while ctx.get(dut.busy):
            await ctx.tick()
        totals = np.zeros((CONFIG.max_layers, len(Counter)), np.int64)
        for layer in range(CONFIG.max_layers):
            for counter in Counter:
                ctx.set(dut.select, layer * COUNTER_STRIDE + counter)
                await ctx.tick()
                await ctx.tick()
                totals[layer, counter] = ctx.get(dut.value)
        np.testing.assert_array_equal(totals.sum(axis=0), counted)
        assert (totals > 0).any(axis=1).sum() > 1

    simulate(dut, bench)


def test_nothing_of_before_a_clear_remains():
    dut = CounterBank(CONFIG)

    async def bench(ctx):
        async def read(layer, counter):
            ctx.set(dut.select, layer * COUNTER_STRIDE + counter)
            await ctx.tick().repeat(2)
            return ctx.get(dut.value)

        async def flush(layer):
            ctx.set(dut.layer, layer)
            ctx.set(dut.flush, 1)
            await ctx.tick()
            ctx.set(dut.flush, 0)
            await ctx.tick()
            while ctx.get(dut.busy):
                await ctx.tick()

        ctx.set(dut.increments[Counter.CYCLES], 1)
        for layer in range(CONFIG.max_layers):
            await flush(layer)
        assert await read(2, Counter.CYCLES) > 0
        ctx.set(dut.clear, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        assert [await read(layer, Counter.CYCLES) for layer in range(CONFIG.max_layers)] == [0] * CONFIG.max_layers
        await ctx.tick().repeat(10)
        await flush(2)
        assert await read(2, Counter.CYCLES) == 2 * CONFIG.max_layers + 10 + 1
        assert await read(1, Counter.CYCLES) == 0

    simulate(dut, bench)
