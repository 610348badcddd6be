"""The encoder against a numpy model of row records: contents, bursts, throughput and completion."""

from binascii import crc_hqx
from random import Random

import numpy as np
import pytest

from quiesce.rtl.backend.encoder import Encoder
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import BURST_BEATS
from quiesce.sw.format.integers import pack_integers
from tests.rtl.support import StreamDriver, simulate, stream_rule

CONFIGS = {
    "bus_64_units_4": CoreConfig(post_units=4),
    "bus_64_units_8": CoreConfig(post_units=8),
    "bus_64_units_1": CoreConfig(post_units=1),
    "bus_128_units_8": CoreConfig(data_width=128, post_units=8),
    "checked": CoreConfig(post_units=8, record_check=1),
    "checked_bus_128": CoreConfig(data_width=128, post_units=4, record_check=1),
}
WITH_STATE = {
    "bus_64_units_8": CoreConfig(post_units=8, state_depth=1024),
    "bus_64_units_2": CoreConfig(post_units=2, state_depth=1024),
    "bus_64_units_1": CoreConfig(post_units=1, state_depth=1024),
    "checked_bus_128": CoreConfig(data_width=128, post_units=4, record_check=1, state_depth=1024),
}
REGION = 3


class Job:
    """One pass: rows of random activations of ``pitch`` channels per pixel, as chunks and as the bytes expected of them."""

    def __init__(
        self, core: CoreConfig, rows: int, cols: int, pitch: int, density: float, *, seed: int, extra_beats: int = 0,
        bits: int = 8,
    ):  # fmt: skip
        rng = np.random.default_rng(seed)
        units, beat = core.post_units, core.beat_bytes
        acts = rng.integers(1, min(255, 1 << (bits - 1)), (rows, cols * pitch)) * rng.choice([-1, 1], (rows, cols * pitch))
        acts[rng.random(acts.shape) >= density] = 0
        count = min(units, pitch)
        check_bits = 16 * core.record_check
        self.mask_beats = -(-(cols * pitch + check_bits) // core.data_width) + extra_beats
        value_offset = 16 * -(-self.mask_beats * beat // 16)
        stride, offset = (
            value_offset + 16 * -(-(cols * pitch * max(1, bits // 8) + check_bits // 8) // 16),
            16 * int(rng.integers(100)),
        )
        self.config = {
            "n_out_rows": rows, "out_region": REGION, "out_offset": offset, "out_row_stride": stride,
            "out_value_offset": value_offset, "out_mask_beats": self.mask_beats, "out_narrow": bits == 4,
            **({"out_wide": bits == 16} if core.state_depth else {}),
        }  # fmt: skip
        self.chunks = []
        self.expected: dict[int, bytes] = {}
        for row, line in enumerate(acts):
            for first in range(0, len(line), count):
                values = line[first : first + count].tolist() + [0] * (units - count)
                self.chunks.append({"values": values, "count": count, "row_last": int(first + count == len(line))})
            mask = np.packbits(line != 0, bitorder="little").tobytes()
            packed = pack_integers(line[line != 0].astype("<i2"), bits).tobytes()
            base = offset + row * stride
            value_beats = -(-(len(packed) + (check_bits // 8 if packed else 0)) // beat)
            for at, part, n_beats in ((base, mask, self.mask_beats), (base + value_offset, packed, value_beats)):
                content = part.ljust(n_beats * beat, b"\0")
                if check_bits and content:
                    content = content[:-2] + crc_hqx(content, 0).to_bytes(2, "big")
                self._expect(at, content, beat)

    def _expect(self, base: int, content: bytes, beat: int) -> None:
        self.expected |= {base + at: content[at : at + beat] for at in range(0, len(content), beat)}


class Writer:
    """A write DMA that takes one request of its ``clients`` at a time, then all of its beats, which must be there."""

    def __init__(self, core: CoreConfig, clients: list[tuple], *, seed: int = 0, stall: float = 0.0):
        self.beat, self.clients = core.beat_bytes, clients
        self.rng, self.stall = Random(seed), stall
        self.written: dict[int, bytes] = {}
        self.bursts: list[tuple[int, int]] = []

    async def run(self, ctx) -> None:
        while True:
            for request, beats in self.rng.sample(self.clients, len(self.clients)):
                if not ctx.get(request.valid):
                    continue
                burst = ctx.get(request.payload)
                ctx.set(request.ready, 1)
                await ctx.tick()
                ctx.set(request.ready, 0)
                assert burst.region == REGION
                self.bursts.append((burst.offset, burst.beats))
                await self._take(ctx, beats, burst.offset, burst.beats)
                break
            else:
                await ctx.tick()
            while self.rng.random() < self.stall:
                await ctx.tick()

    async def _take(self, ctx, beats, offset: int, count: int) -> None:
        for index in range(count):
            while self.rng.random() < self.stall:
                await ctx.tick()
            ctx.set(beats.ready, 1)
            _, _, valid, payload = await ctx.tick().sample(beats.valid, beats.payload)
            assert valid, "the write bus waits for data"
            assert offset + index * self.beat not in self.written
            self.written[offset + index * self.beat] = payload.to_bytes(self.beat, "little")
            ctx.set(beats.ready, 0)


def run(core: CoreConfig, jobs: list[Job], *, gap: float = 0.0, stall: float = 0.0, seed: int = 0) -> None:
    """Run passes one after the other and check every byte, every burst and the completion."""
    dut = Encoder(core)
    writer = Writer(core, [(dut.request_0, dut.beats_0), (dut.request_1, dut.beats_1)], seed=seed, stall=stall)
    n_written = 0

    async def count(ctx) -> None:
        nonlocal n_written
        async for _, _, written in ctx.tick().sample(dut.beats_written):
            n_written += written

    async def testbench(ctx) -> None:
        nonlocal n_written
        for index, job in enumerate(jobs):
            n_written = 0
            writer.written.clear()
            writer.bursts.clear()
            ctx.set(dut.config, job.config)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            await StreamDriver(dut.i_chunks, job.chunks, seed=seed + index, gap=gap).run(ctx)
            while not ctx.get(dut.done):
                await ctx.tick()
            assert n_written == len(job.expected)
            assert writer.written == job.expected
            for offset, beats in writer.bursts:
                first = offset // core.beat_bytes
                assert beats >= 1 and first % BURST_BEATS + beats <= BURST_BEATS

    streams = (dut.request_0, dut.beats_0, dut.request_1, dut.beats_1)
    simulate(dut, testbench, background=[count, writer, *map(stream_rule, streams)], limit=8000)


@pytest.mark.parametrize("core", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("density", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize(("rows", "cols", "pitch"), [(3, 5, 16), (4, 13, 1), (2, 9, 2), (1, 19, 8)])
def test_equals_reference(core: CoreConfig, density: float, bits: int, rows: int, cols: int, pitch: int) -> None:
    """Pitches below and above a chunk, partial beats, empty and dense rows, gaps and stalls."""
    run(core, [Job(core, rows, cols, pitch, density, seed=rows, bits=bits)], gap=0.2, stall=0.3, seed=cols)


@pytest.mark.parametrize("core", WITH_STATE.values(), ids=WITH_STATE)
@pytest.mark.parametrize("density", [0.0, 0.2, 0.6, 1.0])
@pytest.mark.parametrize(("rows", "cols", "pitch"), [(3, 5, 16), (4, 13, 1), (2, 9, 2), (1, 19, 8)])
def test_changes_of_signed_maps(core: CoreConfig, density: float, rows: int, cols: int, pitch: int) -> None:
    """Values of 16 bits, up to 254, between those of 8 and 4: chunks of more than half of them take two cycles."""
    jobs = [Job(core, rows, cols, pitch, density, seed=seed, bits=bits) for seed, bits in enumerate((16, 8, 16, 4, 16))]
    run(core, jobs, gap=0.2, stall=0.3, seed=cols)
    run(core, jobs)


@pytest.mark.parametrize("core", CONFIGS.values(), ids=CONFIGS)
def test_long_rows(core: CoreConfig) -> None:
    """Rows of more than a burst of values, at every position relative to the burst boundaries."""
    run(core, [Job(core, 4, 21, 16, 0.9, seed=8), Job(core, 2, 42, 16, 0.9, seed=9, bits=4)], stall=0.1)


def test_padding_beats() -> None:
    """Mask beats behind the last bit are zero and there, as many as configured."""
    core = CONFIGS["bus_64_units_4"]
    run(core, [Job(core, 4, 7, 4, 0.5, seed=5, extra_beats=extra) for extra in (1, 3)], stall=0.2)


def test_passes_follow_each_other() -> None:
    """A pass leaves nothing behind."""
    core = CONFIGS["bus_64_units_4"]
    passes = ((0.5, 8), (0.0, 4), (1.0, 8), (0.3, 4), (0.6, 4), (0.4, 8))
    run(core, [Job(core, 2, 5, 8, density, seed=seed, bits=bits) for seed, (density, bits) in enumerate(passes)], gap=0.3)


@pytest.mark.parametrize("core", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("density", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("bits", [8, 4])
def test_one_chunk_per_cycle(core: CoreConfig, density: float, bits: int) -> None:
    """With a bus that keeps up, only row ends cost cycles, at most one each, two with checks."""
    dut = Encoder(core)
    job = Job(core, 3, 18, 16, density, seed=3, bits=bits)
    writers = [Writer(core, [(dut.request_0, dut.beats_0)]), Writer(core, [(dut.request_1, dut.beats_1)])]
    stalls = 0

    async def testbench(ctx) -> None:
        nonlocal stalls
        ctx.set(dut.config, job.config)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        ctx.set(dut.i_chunks.valid, 1)
        for chunk in job.chunks:
            ctx.set(dut.i_chunks.payload, chunk)
            ready = 0
            while not ready:
                _, _, ready = await ctx.tick().sample(dut.i_chunks.ready)
                stalls += not ready
        ctx.set(dut.i_chunks.valid, 0)
        while not ctx.get(dut.done):
            await ctx.tick()

    simulate(dut, testbench, background=writers, limit=4000)
    assert stalls <= 3 * (1 + core.record_check)
    assert writers[0].written | writers[1].written == job.expected


def test_done() -> None:
    """``done`` is high after reset, falls with ``start`` itself, and rises only when the bus has the last beat."""
    core = CONFIGS["bus_64_units_4"]
    dut = Encoder(core)
    job = Job(core, 1, 1, 4, 1.0, seed=1)

    async def testbench(ctx) -> None:
        assert ctx.get(dut.done)
        ctx.set(dut.config, job.config)
        ctx.set(dut.start, 1)
        assert not ctx.get(dut.done)
        await ctx.tick()
        ctx.set(dut.start, 0)
        await StreamDriver(dut.i_chunks, job.chunks).run(ctx)
        for request, beats in ((dut.request_1, dut.beats_1), (dut.request_0, dut.beats_0)):
            for stream in (request, beats):
                for _ in range(5):
                    assert not ctx.get(dut.done)
                    await ctx.tick()
                ctx.set(stream.ready, 1)
                await ctx.tick()
                ctx.set(stream.ready, 0)
        assert ctx.get(dut.done)

    simulate(dut, testbench, limit=200)
