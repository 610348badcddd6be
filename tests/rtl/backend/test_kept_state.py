"""What post-processing keeps from item to item, against numpy: sums, sent values, thresholds, and what is left out."""

import numpy as np
import pytest

from quiesce.rtl.backend.postprocess import PostProcess
from quiesce.spec.config import CoreConfig
from quiesce.sw.format.requantize import requantize
from tests.rtl.backend.test_postprocess import unpack
from tests.rtl.support import StreamDriver, StreamMonitor, simulate, stream_rule

CONFIGS = {
    "units_4_lanes_16": CoreConfig(n_pes=16, post_units=4, state_depth=4096),
    "units_1_lanes_4": CoreConfig(n_pes=4, post_units=1, state_depth=4096),
    "units_8_lanes_8": CoreConfig(n_pes=2, n_lanes=4, post_units=8, data_width=128, state_depth=4096, ram_check=2),
}


class Map:
    """A layer's outputs over the items of streams: random sums of changes, and what becomes of them."""

    def __init__(self, core: CoreConfig, chans: int, rows: int, cols: int, state_row: int, *, seed: int, **flags: int):
        rng = self.rng = np.random.default_rng(seed)
        units, lanes = core.post_units, core.lanes
        pitch = 1 << (chans - 1).bit_length() if chans <= 64 else -(-chans // 64) * 64
        self.core, self.chans, self.n_groups, self.chunks = core, chans, -(-chans // lanes), max(1, pitch // units)
        self.shape = rows, cols, self.n_groups * lanes
        self.low = int(rng.choice([-127, 0]))
        self.config = {
            "n_groups": self.n_groups, "chunks": self.chunks, "valid_chans": chans, "chunk_bits": min(units, pitch),
            "param_row": 0, "clip_low": self.low, "clip_high": 127, "threshold": 0, "n_out_rows": rows, "n_out_cols": cols,
            "in_delta": 0, "out_delta": 0, "gated": 0, "delta_threshold": 0, "state_row": state_row, **flags,
        }  # fmt: skip
        self.bias, self.multiplier = rng.integers(-1000, 1000, chans), rng.integers(1000, 5000, chans)
        self.shift = rng.integers(14, 18, chans)
        self.kept = np.zeros((rows, cols, chans), np.int64)
        self.sent = np.zeros((rows, cols, chans), np.int64)

    @property
    def rows(self) -> int:
        """State rows of the map."""
        per_pixel = min(self.chunks, self.n_groups * self.core.lanes // self.core.post_units)
        return self.shape[0] * self.shape[1] * per_pixel

    def item(self, fresh: bool, recheck: bool) -> tuple[list[dict], list[dict], int]:
        """Groups of sums, the chunks expected of them, and how many chunks are touched."""
        core, (rows, cols, width), flags, chans = self.core, self.shape, self.config, self.chans
        may_skip = flags["in_delta"] and flags["out_delta"] and not recheck
        changes = self.rng.integers(-3000, 3000, self.shape)
        changes *= self.rng.random((rows, cols, 1)) < 0.4  # whole pixels change
        changes *= self.rng.random((rows, 1, 1)) < 0.6  # whole rows
        changes *= self.rng.random(self.shape) < 0.7
        own = changes[..., :chans]
        self.kept = own + self.kept * (flags["in_delta"] and not fresh)
        values = requantize(self.kept + self.bias, self.multiplier, self.shift, self.low, 127).astype(np.int64)
        sent = np.zeros_like(self.sent) if fresh else self.sent
        moves = np.abs(values - sent) > flags["delta_threshold"]
        new = np.where(moves, values, sent) if flags["gated"] and not fresh else values
        out = np.zeros((rows, cols, self.chunks * core.post_units), np.int64)
        out[..., :chans] = new - sent if flags["out_delta"] else new
        if flags["out_delta"] or flags["gated"]:
            self.sent = new
        slices = range(core.lanes // core.post_units)
        used = [
            sum((group * core.lanes + index * core.post_units < chans) << index for index in slices)
            for group in range(self.n_groups)
        ]
        junk = changes.copy()
        junk[..., chans:] = self.rng.integers(-3000, 3000, (rows, cols, width - chans))
        left_out = [row > 0 and may_skip and not own[row].any() and self.rng.random() < 0.7 for row in range(rows)]
        groups, chunks = [], []
        for row in range(rows):
            if left_out[row]:
                groups.append({"sums": junk.ravel()[: core.lanes].tolist(), "used": 0, "clean": 1})
                chunks.append({"values": [0] * core.post_units, "count": flags["chunk_bits"], "row_last": 1})
                continue
            groups += [
                {"sums": sums.tolist(), "used": used[index % self.n_groups], "clean": 0}
                for index, sums in enumerate(junk[row].reshape(-1, core.lanes))
            ]
            chunks += [
                {"values": values, "count": flags["chunk_bits"], "row_last": int(index == cols * self.chunks - 1)}
                for index, values in enumerate(out[row].reshape(-1, core.post_units).tolist())
            ]
        padded = np.zeros((rows, cols, self.chunks * core.post_units), bool)
        padded[..., :chans] = own != 0
        touched = padded.reshape(-1, core.post_units).any(axis=1)
        if recheck:
            touched[:] = True
            touched = touched.reshape(rows * cols, -1)[:, : self.rows // (rows * cols)].ravel()
        return groups, chunks, int(touched.sum()) if flags["in_delta"] else 0


def run(core: CoreConfig, maps: list[Map], items: list[tuple[bool, bool]], *, gap: float, stall: float) -> None:
    """Run the maps as passes of each item, one after the other: (fresh, recheck)."""
    dut = PostProcess(core)
    passes = [(each, item, each.item(*item)) for item in items for each in maps]
    counted = 0

    async def count(ctx) -> None:
        nonlocal counted
        async for _, _, touched in ctx.tick().sample(dut.sum_write):
            counted += touched

    async def testbench(ctx) -> None:
        nonlocal counted
        while core.ram_check and ctx.get(dut.ram_status.clearing):
            await ctx.tick()
        for index, (each, (fresh, recheck), (_, chunks, touched)) in enumerate(passes):
            ctx.set(dut.param_en, 1)
            for chan, params in enumerate(zip(each.bias, each.multiplier, each.shift, strict=True)):
                bias, multiplier, shift = map(int, params)
                ctx.set(dut.param_chan, chan)
                ctx.set(dut.param_data, bias % (1 << 32) | multiplier << 32 | shift << 48)
                await ctx.tick()
            ctx.set(dut.param_en, 0)
            ctx.set(dut.config, each.config)
            ctx.set(dut.fresh, fresh)
            ctx.set(dut.recheck, recheck)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            counted = 0
            monitor = StreamMonitor(dut.o_chunks, len(chunks), seed=index, stall=stall)
            await monitor.run(ctx)
            assert (index, unpack(core, monitor.items)) == (index, chunks)
            assert counted == touched

    async def source(ctx) -> None:
        groups = [group for _, _, (of_pass, _, _) in passes for group in of_pass]
        await StreamDriver(dut.i_psums, groups, seed=1, gap=gap).run(ctx)
        while True:
            await ctx.tick()

    simulate(dut, testbench, background=[source, count, stream_rule(dut.o_chunks)], limit=20000)


STREAM = [(True, True), (False, False), (False, False), (False, True), (False, False), (True, True), (False, False)]


@pytest.mark.parametrize("core", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("chans", [1, 3, 16, 21])
@pytest.mark.parametrize(("gap", "stall"), [(0.0, 0.0), (0.5, 0.4)])
def test_maps_of_all_codings_over_streams(core: CoreConfig, chans: int, gap: float, stall: float) -> None:
    """Changes or values in and out, with and without thresholds, side by side in the state memory; rows are left out."""
    flags = [
        {"in_delta": 1, "out_delta": 1}, {"in_delta": 1, "out_delta": 1, "gated": 1, "delta_threshold": 4}, {"in_delta": 1},
        {"out_delta": 1}, {"in_delta": 1, "gated": 1, "delta_threshold": 9}, {"gated": 1, "delta_threshold": 2}, {},
        {"out_delta": 1, "gated": 1, "delta_threshold": 254},
    ]  # fmt: skip
    maps, row = [], 5
    for seed, each in enumerate(flags):
        maps.append(Map(core, chans, 3, 2, row, seed=seed, **each))
        row += maps[-1].rows
    assert row <= core.state_rows
    run(core, maps, STREAM, gap=gap, stall=stall)
