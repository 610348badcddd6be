"""Items count when the outputs of all their passes are in memory, against a list of passes."""

from random import Random

import pytest

from quiesce.rtl.core.item_control import ItemControl
from quiesce.spec.config import preset
from tests.rtl.support import simulate


@pytest.mark.parametrize("seed", range(6))
def test_items(seed):
    """Passes begin in the back in their order and are written in that order, the latest as ``complete``, others as ``older``."""
    dut, rng = ItemControl(preset("tiny")), Random(seed)
    strides = rng.randrange(1 << 20), rng.randrange(1 << 20)

    async def bench(ctx):
        ctx.set(dut.input_stride, strides[0])
        ctx.set(dut.output_stride, strides[1])
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        passes = []  # the item of each pass in the order of the array
        begun = written = item = 0
        for _ in range(3000):
            ended, own = ctx.get(dut.ready), [at for at, of in enumerate(passes) if of == item - 1]
            # At most one writing pass waits for the back, as PassControl sees to it.
            waits = begun < len(passes)
            if ended and not waits and rng.random() < 0.2:
                passes.append(item)
                waits = True
            item_end = bool(ended) and bool(passes) and passes[-1] == item and rng.random() < 0.2
            back_start = waits and rng.random() < 0.3
            if begun > written and rng.random() < 0.2:
                written += 1
            ctx.set(dut.back_waits, waits)
            ctx.set(dut.back_start, back_start)
            ctx.set(dut.complete, written == begun)
            ctx.set(dut.older_done, written >= begun - 1)
            ctx.set(dut.item_end, item_end)
            done = ctx.get(dut.items_done)
            await ctx.tick()
            begun += back_start
            item += item_end
            if not ended and ctx.get(dut.ready):
                assert own and own[-1] < written, "an item counts before its last pass is written"
                assert ctx.get(dut.items_done) == done + 1 == item
            else:
                assert ctx.get(dut.items_done) == done
            assert ctx.get(dut.ready) == (ctx.get(dut.items_done) == item)
            assert ctx.get(dut.input_offset) == item * strides[0] % (1 << 32)
            assert ctx.get(dut.output_offset) == item * strides[1] % (1 << 32)
        assert item > 20 and ctx.get(dut.items_done) >= item - 1

    simulate(dut, bench)
