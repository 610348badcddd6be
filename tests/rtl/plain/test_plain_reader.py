"""The reader of a plain core: all beats of all records, in order, whatever the stalls, never beyond the ring."""

from collections import deque
from random import Random

import numpy as np
import pytest

from quiesce.rtl.plain.plain_reader import PlainReader
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import BURST_BEATS
from tests.rtl.support import simulate, stream_rule, wait_until

CORE = CoreConfig(n_pes=1, post_units=1, act_depth=64, zero_skipping=0)
REGION, OFFSET = 2, 3 * 16


def run(rows, planes, beats, *, stall, seed, awaited=None):
    """Read a pass and use its values up; returns nothing, asserts all."""
    rng, dut, size = Random(seed), PlainReader(CORE), CORE.beat_bytes
    row_stride = -(-beats * size // 16) * 16
    plane_stride = rows * row_stride + 32
    memory = np.random.default_rng(seed).bytes(OFFSET + planes * plane_stride)
    records = [OFFSET + row * row_stride + plane * plane_stride for row in range(rows) for plane in range(planes)]
    offsets = [base + beat * size for base in records for beat in range(beats)]
    requested, under_way = [], deque()

    async def bus(ctx):
        cycle, showing = 0, False
        while True:
            ready = rng.random() >= stall
            ctx.set(dut.request.ready, ready)
            if not showing and under_way and under_way[0][0] <= cycle and rng.random() >= stall:
                showing = True
                ctx.set(dut.data.payload, under_way[0][1])
            ctx.set(dut.data.valid, showing)
            ports = (dut.request.valid, dut.request.payload, dut.data.ready, dut.beats_read)
            _, _, valid, burst, taken, counted = await ctx.tick().sample(*ports)
            assert counted == (showing and taken)
            if showing and taken:
                under_way.popleft()
                showing = False
            if valid and ready:
                assert burst.region == REGION and burst.offset // size % BURST_BEATS + burst.beats <= BURST_BEATS
                for at in range(burst.offset, burst.offset + burst.beats * size, size):
                    requested.append(at)
                    under_way.append((cycle + 5, int.from_bytes(memory[at : at + size], "little")))
                freed = ctx.get(dut.buffers.value_freed)
                assert (len(requested) - freed) % (2 * CORE.act_depth) <= CORE.act_depth, "more requested than there is room"
            cycle += 1

    async def bench(ctx):
        config = {
            "n_planes": planes, "n_rows": rows, "in_region": REGION, "in_offset": OFFSET, "in_row_stride": row_stride,
            "in_plane_stride": plane_stride, "in_mask_beats": beats, "awaits_rows": awaited is not None,
            "rows_awaited": awaited or 0,
        }  # fmt: skip
        ctx.set(dut.config, config)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        if awaited is not None:
            for _ in range(40):
                await ctx.tick()
            assert requested == offsets[: max(0, 1 - awaited) * planes * beats]
            ctx.set(dut.all_written, 1)
        for index, at in enumerate(offsets):
            while rng.random() < stall or ctx.get(dut.buffers.value_written) == index % (2 * CORE.act_depth):
                await ctx.tick()
            for byte in range(size):
                ctx.set(dut.buffers.value_en, 1)
                ctx.set(dut.buffers.value_addr, 2 * (index * size + byte) % (1 << len(dut.buffers.value_addr)))
                await ctx.tick()
                assert ctx.get(dut.buffers.value_data) % 256 == memory[at + byte]
            ctx.set(dut.buffers.value_freed, (index + 1) % (2 * CORE.act_depth))
        await wait_until(ctx, dut.done)
        assert requested == offsets

    simulate(dut, bench, background=[bus, stream_rule(dut.request)], limit=40_000)


@pytest.mark.parametrize(("rows", "planes", "beats"), [(5, 1, 3), (2, 3, 17), (2, 1, 100), (4, 2, 1)])
@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_all_beats_in_order(rows, planes, beats, stall):
    run(rows, planes, beats, stall=stall, seed=beats)


def test_waits_for_rows():
    run(4, 2, 3, stall=0.0, seed=1, awaited=-1)
