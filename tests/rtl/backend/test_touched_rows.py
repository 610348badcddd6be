"""Rows that no change has reached, against a list of the rows that each input row reaches."""

from random import Random

import pytest

from quiesce.rtl.backend.touched_rows import TouchedRows
from tests.rtl.support import simulate


@pytest.mark.parametrize("seed", range(8))
def test_no_row_that_is_reached_is_clean(seed):
    """Windows of any size, drains that lag; and rows that nothing reaches are mostly found."""
    dut, rng = TouchedRows(), Random(seed)
    stride, extent, n_rows = rng.choice([1, 1, 2]), rng.choice([1, 3, 5]), 60
    found = []

    async def input_row(ctx, row, reached):
        for _ in range(rng.choice([0, 0, 0, 1, 3])):
            ctx.set(dut.event, 1)
            await ctx.tick()
            reached |= {out for out in range(n_rows) if out * stride <= row < out * stride + extent}
        ctx.set(dut.event, 0)
        ctx.set(dut.row_end, 1)
        ctx.set(dut.last_row, min(row // stride, n_rows - 1))
        await ctx.tick()
        ctx.set(dut.row_end, 0)

    async def bench(ctx):
        held = False  # sums of passes before
        for _ in range(6):
            drains = rng.random() < 0.7
            ctx.set(dut.drains, drains)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            ctx.set(dut.drained, 0)
            reached: set[int] = set()
            drained = 0
            for row in range(n_rows * stride + extent):
                await input_row(ctx, row, reached)
                while drains and drained < n_rows and drained * stride + extent <= row + 1 and rng.random() < 0.8:
                    if ctx.get(dut.known):
                        clean = ctx.get(dut.clean)
                        assert not clean or (drained not in reached and not held)
                        if not held and drained not in reached:
                            found.append(clean)
                        drained += 1
                        ctx.set(dut.drained, drained)
                    await ctx.tick()
            held = not drains and (held or bool(reached))

    simulate(dut, bench)
    assert sum(found) > 0.5 * len(found) > 0
