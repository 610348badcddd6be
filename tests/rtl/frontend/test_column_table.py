"""Entries of the table of columns are those of the axis."""

from random import Random

import pytest

from quiesce.rtl.frontend.column_table import ColumnTable
from tests.rtl.frontend.test_axis import CONFIG, SETTINGS, SLOTS, entry, read
from tests.rtl.support import simulate, wait_until


@pytest.mark.parametrize("name", SETTINGS)
def test_table_of_columns(name):
    dut, rng, settings, n_cols = ColumnTable(CONFIG), Random(2), SETTINGS[name], 20

    async def bench(ctx):
        ctx.set(dut.config, settings | SLOTS)
        ctx.set(dut.n_cols, n_cols)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        assert n_cols - 1 <= await wait_until(ctx, dut.ready) <= n_cols + settings["phase"]
        for _ in range(60):
            col = rng.randrange(n_cols)
            ctx.set(dut.col, col)
            ctx.set(dut.en, 1)
            await ctx.tick()
            ctx.set(dut.en, 0)
            ctx.set(dut.col, rng.randrange(n_cols))  # held while ``en`` is low
            for _ in range(rng.randrange(3)):
                await ctx.tick()
            assert read(ctx, dut.entry) == entry(settings, col)

    simulate(dut, bench)
