"""Operations of the lanes: sums and maxima that end up in the accumulators, and what is counted."""

from collections import defaultdict
from random import Random

import pytest

from quiesce.rtl.pe.lanes import Lanes
from quiesce.spec.config import preset
from tests.rtl.support import simulate, wait_until

CONFIG = preset("tiny", n_pes=2, n_lanes=2, post_units=1, acc_depth=64, psum_depth=8, weight_depth=16)


async def load(ctx, dut, weights: list[list[int]]) -> None:
    """Pack words of a weight for each lane into rows."""
    data = bytes(weight % 256 for word in weights for weight in word)
    for row in range(len(data) // CONFIG.beat_bytes):
        ctx.set(dut.load.row_en, 1)
        ctx.set(dut.load.row_addr, row)
        ctx.set(dut.load.row, int.from_bytes(data[row * CONFIG.beat_bytes :][: CONFIG.beat_bytes], "little"))
        await ctx.tick()
    ctx.set(dut.load.row_en, 0)


@pytest.mark.parametrize("op_max", [0, 1])
@pytest.mark.parametrize("gap", [0.0, 0.4])
def test_operations_reach_the_accumulators(op_max, gap):
    dut, rng = Lanes(CONFIG), Random(op_max)
    n_words = CONFIG.weight_depth * CONFIG.words_per_row(8)
    weights = [[rng.choice([0, rng.randint(-128, 127)]) for _ in range(CONFIG.n_lanes)] for _ in range(n_words)]
    sums = defaultdict(lambda: [0] * CONFIG.n_lanes)
    counted = {"busy": 0, "n_effectual": 0, "row_read": 0}
    wanted = dict.fromkeys(counted, 0)
    drained = []

    async def counts(ctx):
        while True:
            _, _, *values = await ctx.tick().sample(*(getattr(dut, name) for name in counted))
            for name, value in zip(counted, values, strict=True):
                counted[name] += value

    async def bench(ctx):
        ctx.set(dut.op_max, op_max)
        await load(ctx, dut, weights)
        last_row = None
        for _ in range(500):
            ctx.set(dut.en, 0)
            while rng.random() < gap:
                await ctx.tick()
            index, addr, value = rng.randrange(n_words), rng.randrange(CONFIG.acc_depth), rng.randint(-128, 127)
            pruned = rng.random() < 0.1
            ctx.set(dut.en, 1)
            ctx.set(dut.o, {"index": index, "pruned": pruned, "value": value, "first": 1, "addr": addr})
            await ctx.tick()
            word = [0] * CONFIG.n_lanes if pruned else weights[index]
            for lane, weight in enumerate(word):
                if op_max:
                    sums[addr][lane] = max(sums[addr][lane], value + 128 if weight else 0)
                else:
                    sums[addr][lane] += value * weight
            row = index // CONFIG.words_per_row(8)
            wanted["busy"] += 1
            wanted["n_effectual"] += sum(weight != 0 for weight in word) if value else 0
            if not pruned:
                wanted["row_read"] += row != last_row
                last_row = row
        ctx.set(dut.en, 0)
        ctx.set(dut.row_end, 1)
        await ctx.tick()
        ctx.set(dut.row_end, 0)
        await wait_until(ctx, dut.row_done)
        await ctx.tick().repeat(2)
        assert ctx.get(dut.idle)
        for addr in range(CONFIG.acc_depth):
            ctx.set(dut.drain, 1)
            ctx.set(dut.drain_addr, addr)
            await wait_until(ctx, dut.drain_grant)
            drained.append([ctx.get(dut.drained[lane]) for lane in range(CONFIG.n_lanes)])

    simulate(dut, bench, background=[counts])
    assert drained == [sums[addr] for addr in range(CONFIG.acc_depth)]
    assert counted == wanted
