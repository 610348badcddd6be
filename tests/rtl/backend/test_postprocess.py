"""Post-processing against numpy: slicing, parameters, missing channels, throughput and stalls."""

import numpy as np
import pytest
from amaranth.lib import data

from quiesce.rtl.backend.interfaces import chunk_layout
from quiesce.rtl.backend.postprocess import PostProcess
from quiesce.spec.config import CoreConfig
from quiesce.sw.format.requantize import requantize
from tests.rtl.support import StreamDriver, StreamMonitor, simulate, stream_rule

CONFIGS = {
    "units_4_lanes_16": CoreConfig(n_pes=16, post_units=4),
    "units_1_lanes_4": CoreConfig(n_pes=4, post_units=1),
    "units_8_lanes_8": CoreConfig(n_pes=2, n_lanes=4, post_units=8, data_width=128),
}


class Job:
    """One pass: random partial sums and parameters, and the chunks expected of them."""

    def __init__(self, core: CoreConfig, chans: int, rows: int, cols: int, *, seed: int, low: int = 0, threshold: int = 0):
        rng = np.random.default_rng(seed)
        units, lanes = core.post_units, core.lanes
        pitch = 1 << (chans - 1).bit_length() if chans <= 64 else -(-chans // 64) * 64
        self.core, self.n_groups, self.chunks = core, -(-chans // lanes), max(1, pitch // units)
        self.param_row = seed % 5
        self.config = {
            "n_groups": self.n_groups, "chunks": self.chunks, "valid_chans": chans, "chunk_bits": min(units, pitch),
            "param_row": self.param_row, "clip_low": low, "clip_high": 127, "threshold": threshold,
            "n_out_rows": rows, "n_out_cols": cols,
        }  # fmt: skip
        # Entries without a channel carry junk, which must not be seen.
        psums = rng.integers(-3000, 3000, (rows, cols, self.n_groups * lanes))
        self.bias, self.multiplier = rng.integers(-1000, 1000, chans), rng.integers(1000, 5000, chans)
        self.shift = rng.integers(14, 18, chans)
        slices = range(lanes // units)
        in_use = [sum((group * lanes + index * units < chans) << index for index in slices) for group in range(self.n_groups)]
        self.items = [
            {"sums": group.tolist(), "used": in_use[index % self.n_groups]}
            for index, group in enumerate(psums.reshape(-1, lanes))
        ]

        acts = np.zeros((rows, cols, self.chunks * units), np.int8)
        acts[..., :chans] = requantize(psums[..., :chans] + self.bias, self.multiplier, self.shift, low, 127, threshold)
        values = acts.reshape(-1, units).tolist()
        row_chunks = cols * self.chunks
        self.expected = [
            {"values": chunk, "count": self.config["chunk_bits"], "row_last": int(index % row_chunks == row_chunks - 1)}
            for index, chunk in enumerate(values)
        ]

    async def load(self, ctx, dut: PostProcess) -> None:
        """Write the parameters, set the configuration and start."""
        ctx.set(dut.param_en, 1)
        for chan, (bias, multiplier, shift) in enumerate(zip(self.bias, self.multiplier, self.shift, strict=True)):
            ctx.set(dut.param_chan, self.param_row * self.core.post_units + chan)
            ctx.set(dut.param_data, int(bias) % (1 << 32) | int(multiplier) << 32 | int(shift) << 48)
            await ctx.tick()
        ctx.set(dut.param_en, 0)
        ctx.set(dut.config, self.config)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)


def unpack(core: CoreConfig, items: list[int]) -> list[dict]:
    views = [data.Const(chunk_layout(core), item) for item in items]
    units = range(core.post_units)
    return [{"values": [view.values[i] for i in units], "count": view.count, "row_last": view.row_last} for view in views]


def run(core: CoreConfig, jobs: list[Job], *, gap: float = 0.0, stall: float = 0.0, seed: int = 0) -> list[list[int]]:
    """Run passes one after the other; check the chunks and return, per pass, the cycles that delivered one.

    The sums of a pass are offered while the one before is still at work, as the drain does.
    """
    dut = PostProcess(core)
    cycles = []

    async def testbench(ctx) -> None:
        for index, job in enumerate(jobs):
            await job.load(ctx, dut)
            monitor = StreamMonitor(dut.o_chunks, len(job.expected), seed=seed + index, stall=stall)
            await monitor.run(ctx)
            assert unpack(core, monitor.items) == job.expected
            cycles.append(monitor.cycles)
            for _ in range(20):
                _, _, valid = await ctx.tick().sample(dut.o_chunks.valid)
                assert not valid, "a chunk too many"

    async def source(ctx) -> None:
        await StreamDriver(dut.i_psums, [item for job in jobs for item in job.items], seed=seed, gap=gap).run(ctx)
        while True:
            await ctx.tick()

    simulate(dut, testbench, background=[source, stream_rule(dut.o_chunks)], limit=6000)
    return cycles


@pytest.mark.parametrize("core", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("chans", [1, 3, 16, 21, 65])
@pytest.mark.parametrize(("gap", "stall"), [(0.0, 0.0), (0.6, 0.0), (0.0, 0.6), (0.4, 0.4)])
def test_equals_reference(core: CoreConfig, chans: int, gap: float, stall: float) -> None:
    """Any number of channels: less than a chunk, whole groups, a part of a group, chunks behind the last group."""
    run(core, [Job(core, chans, 2, 3, seed=chans)], gap=gap, stall=stall)


def test_passes_follow_each_other() -> None:
    """A pass leaves nothing behind: other channels, parameters, clip range and threshold next.

    The first sums of a pass come under the settings of the one before, which may have had fewer channels.
    """
    core = CONFIGS["units_4_lanes_16"]
    jobs = [
        Job(core, 17, 1, 3, seed=1), Job(core, 6, 2, 2, seed=2, low=-127), Job(core, 33, 2, 1, seed=3, threshold=30),
        Job(core, 2, 2, 1, seed=4), Job(core, 16, 1, 2, seed=5),
    ]  # fmt: skip
    run(core, jobs, gap=0.3, stall=0.3)
    run(core, jobs)


@pytest.mark.parametrize("core", CONFIGS.values(), ids=CONFIGS)
def test_one_chunk_per_cycle(core: CoreConfig) -> None:
    """No bubble between groups, pixels and rows, and the latency promised."""
    (cycles,) = run(core, [Job(core, 2 * core.lanes, 2, 3, seed=9)])
    assert cycles == list(range(cycles[0], cycles[0] + len(cycles)))


def test_latency() -> None:
    """From the edge that accepts a group to the first cycle that offers a chunk of it."""
    core = CONFIGS["units_4_lanes_16"]
    dut = PostProcess(core)
    job = Job(core, 16, 1, 1, seed=4)

    async def testbench(ctx) -> None:
        await job.load(ctx, dut)
        ctx.set(dut.i_psums.payload, job.items[0])
        ctx.set(dut.i_psums.valid, 1)
        ctx.set(dut.o_chunks.ready, 1)
        waits = 0
        while not ctx.get(dut.o_chunks.valid):
            await ctx.tick()
            ctx.set(dut.i_psums.valid, 0)
            waits += 1
        assert waits == dut.latency

    simulate(dut, testbench, limit=100)
