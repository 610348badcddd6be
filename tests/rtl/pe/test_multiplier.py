"""Products of all lanes, and the operands of a maximum."""

from random import Random

import pytest

from quiesce.rtl.pe.multiplier import Multiplier
from quiesce.spec.config import preset
from tests.rtl.support import simulate


@pytest.mark.parametrize("n_lanes", [1, 4])
def test_products(n_lanes):
    config = preset("tiny", n_pes=2, n_lanes=n_lanes, post_units=1)
    dut, rng = Multiplier(config), Random(n_lanes)

    async def bench(ctx):
        wanted = None
        for _ in range(400):
            en, op_max = rng.random() < 0.7, rng.random() < 0.3
            value = rng.choice([-128, -1, 0, 1, 127, rng.randint(-128, 127)])
            weights = [rng.choice([-128, -1, 0, 0, 1, 127, rng.randint(-128, 127)]) for _ in range(n_lanes)]
            ctx.set(dut.en, en)
            ctx.set(dut.op_max, op_max)
            ctx.set(dut.value, value)
            ctx.set(dut.weight, sum(weight % 256 << 8 * lane for lane, weight in enumerate(weights)))
            _, _, effectual = await ctx.tick().sample(dut.n_effectual)
            assert effectual == (sum(weight != 0 for weight in weights) if en and value else 0)
            if en:
                wanted = [(value + 128 if weight else 0) if op_max else value * weight for weight in weights]
            if wanted is not None:
                assert [ctx.get(dut.product[lane]) for lane in range(n_lanes)] == wanted

    simulate(dut, bench)
