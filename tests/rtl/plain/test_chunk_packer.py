"""Beats of all values of a row, against bytes."""

from random import Random

import pytest

from quiesce.rtl.bus.interfaces import packed_layout
from quiesce.rtl.plain.chunk_packer import ChunkPacker
from quiesce.spec.config import preset
from tests.rtl.support import StreamDriver, StreamMonitor, simulate, stream_rule

CONFIG = preset("plain", n_pes=4, post_units=4)


@pytest.mark.parametrize("narrow", [0, 1])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_rows(count, narrow):
    dut, rng = ChunkPacker(CONFIG), Random(4 * narrow + count)
    bits = 4 if narrow else 8
    per_beat = CONFIG.data_width // bits
    chunks, wanted = [], []
    for n_chunks in [1, 2, per_beat // count, per_beat // count + 1, 1, 3 * per_beat // count]:
        row = [[rng.randint(-(1 << (bits - 1)), (1 << (bits - 1)) - 1) for _ in range(count)] for _ in range(n_chunks)]
        for at, values in enumerate(row):
            padded = values + [0] * (CONFIG.post_units - count)
            chunks.append({"values": padded, "count": count, "row_last": at == n_chunks - 1})
        flat = [value % (1 << bits) for values in row for value in values]
        for at in range(0, len(flat), per_beat):
            beat = sum(value << bits * place for place, value in enumerate(flat[at : at + per_beat]))
            wanted.append((beat, at + per_beat >= len(flat), 0))
    monitor = StreamMonitor(dut.o_beats, len(wanted), seed=5, stall=0.3)

    async def setting(ctx):
        ctx.set(dut.narrow, narrow)

    driver = StreamDriver(dut.i_chunks, chunks, seed=6, gap=0.2)
    simulate(dut, setting, driver, monitor, background=[stream_rule(dut.o_beats)])
    seen = [packed_layout(CONFIG).from_bits(item) for item in monitor.items]
    assert [(item.beat, bool(item.last), item.empty) for item in seen] == wanted
