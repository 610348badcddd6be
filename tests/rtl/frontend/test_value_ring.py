"""Values of 4, 8 and 16 bits out of a ring of beats."""

from dataclasses import replace
from random import Random

import pytest

from quiesce.rtl.frontend.value_ring import ValueRing
from quiesce.spec.config import preset
from tests.rtl.support import simulate

CONFIG = preset("tiny", act_depth=64)


@pytest.mark.parametrize("config", [CONFIG, replace(CONFIG, state_depth=64)], ids=["stateless", "state"])
def test_values_of_all_widths(config):
    """Reads at random places while the ring is overwritten; a value stays until the next read."""
    dut, rng, depth, size = ValueRing(config), Random(3), config.act_depth, config.beat_bytes
    stored = {}

    async def bench(ctx):
        written, value = 0, None
        for step in range(600):
            beat = rng.getrandbits(8 * size)
            write = step < depth or rng.random() < 0.4
            address = rng.randrange(2 * depth * size)
            bits = rng.choice((4, 8, 16) if config.state_depth else (4, 8))
            address -= address % (bits // 4)
            row = address // (2 * size)
            en = row in stored and row != written % depth and rng.random() < 0.7
            ctx.set(dut.write, write)
            ctx.set(dut.beat, beat)
            ctx.set(dut.en, en)
            ctx.set(dut.addr, address)
            ctx.set(dut.narrow, bits == 4)
            if config.state_depth:
                ctx.set(dut.wide, bits == 16)
            if en:
                bits = min(bits, config.operand_width)  # of 16 bits those that changes have
                field = stored[row] >> (4 * (address % (2 * size))) & ((1 << bits) - 1)
                value = field - (field >> (bits - 1) << bits)
            await ctx.tick()
            if write:
                stored[written % depth] = beat
                written += 1
            assert ctx.get(dut.written) == written % (2 * depth)
            if value is not None:
                assert ctx.get(dut.value) == value

    simulate(dut, bench)
