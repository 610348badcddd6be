"""The order of chunks, against loops over rows, pixels and groups."""

from random import Random

import pytest

from quiesce.rtl.backend.chunk_walk import ChunkWalk
from quiesce.spec.config import preset
from tests.rtl.support import simulate

CONFIG = preset("tiny", n_pes=8, post_units=2)  # four chunks to a group


def chunks_of(rng, n_groups, chunks, rows, cols):
    """What the walk says of each chunk, and whether the rest of the row is left out there."""
    for _ in range(rows):
        skipped = rng.random() < 0.3
        for col in range(cols):
            for chunk in range(chunks):
                group, index = divmod(chunk, 4)
                needs = group < n_groups
                done = needs and (skipped or index == 3 or chunk == chunks - 1)
                yield skipped, (chunk, index, needs, done, skipped or (col == cols - 1 and chunk == chunks - 1))
                if skipped:
                    break
            if skipped:
                break


@pytest.mark.parametrize("seed", range(4))
def test_walk(seed):
    rng, dut = Random(seed), ChunkWalk(CONFIG)

    async def bench(ctx):
        for _ in range(4):
            chunks = rng.randint(1, 9)
            n_groups = rng.randint(1, (chunks + 3) // 4)
            rows, cols = rng.randint(1, 4), rng.randint(1, 4)
            fields = {"n_groups": n_groups, "chunks": chunks, "n_out_rows": rows, "n_out_cols": cols}
            for name, value in fields.items():
                ctx.set(dut.config[name], value)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            for skipped, expected in chunks_of(rng, n_groups, chunks, rows, cols):
                while rng.random() < 0.3:
                    ctx.set(dut.next, 0)
                    await ctx.tick()
                ctx.set(dut.next, 1)
                ctx.set(dut.whole_row, skipped)
                found = tuple(ctx.get(port) for port in (dut.chunk, dut.slice, dut.needs_group, dut.group_done, dut.row_last))
                assert ctx.get(dut.active) and found == tuple(map(int, expected))
                await ctx.tick()
            ctx.set(dut.next, 0)
            ctx.set(dut.whole_row, 0)
            assert not ctx.get(dut.active)

    simulate(dut, bench)
