"""Values of 8 and 4 bits out of a ring of beats."""

from random import Random

from quiesce.rtl.frontend.value_ring import ValueRing
from quiesce.spec.config import preset
from tests.rtl.support import simulate

CONFIG = preset("tiny", act_depth=64)


def test_values_of_both_widths():
    """Reads at random places while the ring is overwritten; a value stays until the next read."""
    dut, rng, depth, size = ValueRing(CONFIG), Random(3), CONFIG.act_depth, CONFIG.beat_bytes
    stored = {}

    async def bench(ctx):
        written, value = 0, None
        for step in range(600):
            beat = rng.getrandbits(8 * size)
            write = step < depth or rng.random() < 0.4
            address = rng.randrange(2 * depth * size)
            narrow = rng.random() < 0.5
            address &= ~0 if narrow else ~1
            row = address // (2 * size)
            en = row in stored and row != written % depth and rng.random() < 0.7
            ctx.set(dut.write, write)
            ctx.set(dut.beat, beat)
            ctx.set(dut.en, en)
            ctx.set(dut.addr, address)
            ctx.set(dut.narrow, narrow)
            if en:
                bits = 4 if narrow else 8
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
