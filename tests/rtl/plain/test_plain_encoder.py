"""The encoder of a plain core: dense row records equal to the format's, one chunk per cycle."""

from random import Random

import numpy as np
import pytest

from quiesce.rtl.plain.plain_encoder import PlainEncoder
from quiesce.spec.config import CoreConfig
from quiesce.sw.format.layouts import RowLayout
from tests.rtl.support import StreamDriver, simulate, stream_rule
from tests.sw.format.records import encode_row

CONFIGS = {
    "bus_64_units_4": CoreConfig(zero_skipping=0),
    "bus_128_units_8": CoreConfig(zero_skipping=0, data_width=128, post_units=8),
    "units_1": CoreConfig(n_pes=1, post_units=1, zero_skipping=0),
}
REGION, OFFSET = 1, 32 * 16


def run(core, rows, cols, chans, bits, *, gap, stall, seed):
    """Encode a pass; returns the cycles in which a chunk that was offered was not taken."""
    rng, dut, size = Random(seed), PlainEncoder(core), core.beat_bytes
    layout = RowLayout(width=cols, chans=chans, bits=bits, dense=True)
    most = 127 if bits == 8 else 7
    acts = np.random.default_rng(seed).integers(-most, most + 1, (rows, cols, layout.pitch)).astype(np.int8)
    acts[:, :, chans:] = 0
    width = min(core.post_units, layout.pitch)
    chunks = []
    for row in acts:
        for col, pixel in enumerate(row):
            for first in range(0, layout.pitch, width):
                values = pixel[first : first + width].tolist() + [0] * (core.post_units - width)
                last = col == cols - 1 and first + width == layout.pitch
                chunks.append({"values": values, "count": width, "row_last": last})
    written, stalls = {}, 0
    n_beats = -(-cols * layout.pitch * bits // core.data_width)

    async def writer(ctx):
        while True:
            if not ctx.get(dut.request_0.valid):
                await ctx.tick()
                continue
            burst = ctx.get(dut.request_0.payload)
            assert burst.region == REGION
            ctx.set(dut.request_0.ready, 1)
            await ctx.tick()
            ctx.set(dut.request_0.ready, 0)
            for at in range(burst.offset, burst.offset + burst.beats * size, size):
                while rng.random() < stall:
                    await ctx.tick()
                ctx.set(dut.beats_0.ready, 1)
                _, _, valid, beat = await ctx.tick().sample(dut.beats_0.valid, dut.beats_0.payload)
                assert valid
                written[at] = beat.to_bytes(size, "little")
                ctx.set(dut.beats_0.ready, 0)

    async def count(ctx):
        nonlocal stalls
        async for _, _, valid, ready in ctx.tick().sample(dut.i_chunks.valid, dut.i_chunks.ready):
            stalls += valid and not ready

    async def bench(ctx):
        assert ctx.get(dut.done)
        ctx.set(dut.config, {
            "n_out_rows": rows, "out_region": REGION, "out_offset": OFFSET, "out_row_stride": layout.row_stride,
            "out_narrow": bits == 4,
        })  # fmt: skip
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        await StreamDriver(dut.i_chunks, chunks, seed=seed, gap=gap).run(ctx)
        while not ctx.get(dut.done):
            await ctx.tick()
        assert ctx.get(dut.rows_handed) == rows

    simulate(dut, bench, background=[writer, count, stream_rule(dut.request_0), stream_rule(dut.beats_0)], limit=8000)
    for row in range(rows):
        record = encode_row(acts[row, :, :chans], bits, dense=True)
        base = OFFSET + row * layout.row_stride
        found = b"".join(written.pop(base + at) for at in range(0, n_beats * size, size))
        assert found[: len(record)] == record[: len(found)]
    assert not written
    return stalls


@pytest.mark.parametrize("core", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize(("rows", "cols", "chans"), [(3, 5, 13), (4, 13, 1), (2, 9, 3), (1, 19, 8)])
def test_equals_format(core, bits, rows, cols, chans):
    run(core, rows, cols, chans, bits, gap=0.2, stall=0.3, seed=cols)


@pytest.mark.parametrize("core", CONFIGS.values(), ids=CONFIGS)
def test_one_chunk_per_cycle(core):
    assert run(core, 3, 6, 16, 8, gap=0.0, stall=0.0, seed=4) == 0
