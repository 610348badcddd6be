"""Packed weights: every word of every width, sign-extended, and one access per row."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from quiesce.rtl.pe.weight_rows import WeightRows
from quiesce.spec.config import CoreConfig
from quiesce.sw.format.checks import largest
from quiesce.sw.format.integers import pack_integers

CONFIGS = [
    CoreConfig(n_pes=1, post_units=1, weight_depth=8, mask_depth=8, n_lanes=lanes, data_width=width)
    for lanes, width in ((1, 64), (4, 128), (8, 64))
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.n_lanes}x{config.data_width}")
@pytest.mark.parametrize("bits", [8, 4, 2])
def test_words_of_a_width(config, bits):
    rng = np.random.default_rng(bits)
    words_per_row = config.words_per_row(bits)
    words = rng.integers(-largest(bits), largest(bits) + 1, (config.weight_depth * words_per_row, config.n_lanes))
    data = pack_integers(words.astype("<i2").ravel(), bits).tobytes()
    indices = [*range(len(words)), *rng.integers(len(words), size=50).tolist()]
    dut = WeightRows(config)

    async def bench(ctx):
        ctx.set(dut.weight_log2, {8: 0, 4: 1, 2: 2}[bits])
        ctx.set(dut.load.row_en, 1)
        for row in range(config.weight_depth):
            ctx.set(dut.load.row_addr, row)
            ctx.set(dut.load.row, int.from_bytes(data[row * config.beat_bytes :][: config.beat_bytes], "little"))
            await ctx.tick()
        ctx.set(dut.load.row_en, 0)
        row_read = None
        for index in indices:
            ctx.set(dut.en, 1)
            ctx.set(dut.index, index)
            assert ctx.get(dut.row_read) == (index // words_per_row != row_read)
            row_read = index // words_per_row
            await ctx.tick()
            ctx.set(dut.en, 0)
            ctx.set(dut.index, int(rng.integers(len(words))))  # without an access the word stays
            for _ in range(int(rng.integers(3))):
                await ctx.tick()
            lanes = ctx.get(dut.weight).to_bytes(config.n_lanes, "little")
            assert np.frombuffer(lanes, np.int8).tolist() == words[index].tolist()

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
