"""The activation reader against a numpy model of row records: contents, requests, credits, and latency hiding."""

from binascii import crc_hqx
from collections import deque
from random import Random

import numpy as np
import pytest

from quiesce.rtl.frontend.act_reader import ActReader
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import BURST_BEATS
from quiesce.sw.format.checks import largest
from quiesce.sw.format.integers import pack_integers
from tests.rtl.support import simulate, stream_rule, wait_until

CONFIGS = {
    "bus_64_words_32": CoreConfig(act_depth=64),
    "bus_64_words_64": CoreConfig(act_depth=64, detector_width=64),
    "bus_128_words_16": CoreConfig(act_depth=64, data_width=128, detector_width=16),
    "checked": CoreConfig(act_depth=64, record_check=1),
    "checked_bus_128": CoreConfig(act_depth=64, data_width=128, detector_width=64, record_check=1),
}
REGION = 2


class Job:
    """One pass over ``planes`` planes of ``rows`` rows of ``n_bits`` activations each, somewhere in a memory full of junk."""

    def __init__(
        self, core: CoreConfig, rows: int, planes: int, n_bits: int, densities: list[float], *, seed: int, bits: int = 8
    ):
        rng = np.random.default_rng(seed)
        beat = core.beat_bytes
        self.bits, most = bits, largest(bits)
        check_bits = 16 * core.record_check
        self.core, self.mask_beats = core, -(-(n_bits + check_bits) // core.data_width)
        self.ring_beats = -(-n_bits // core.data_width)  # a beat with nothing but a check goes into no ring
        value_offset = 16 * -(-self.mask_beats * beat // 16)
        row_stride = value_offset + 16 * -(-(n_bits + check_bits // 8) // 16)
        offset, plane_stride = 16 * int(rng.integers(40)), rows * row_stride + 16 * int(rng.integers(3))
        self.memory = bytearray(rng.bytes(offset + planes * plane_stride))
        self.config = {
            "n_planes": planes, "n_rows": rows, "in_region": REGION, "in_value_offset": value_offset, "in_offset": offset,
            "in_row_stride": row_stride, "in_plane_stride": plane_stride, "in_mask_beats": self.mask_beats,
            "in_narrow": bits == 4, "awaits_rows": 0, "rows_awaited": 0,
        } | ({"in_check_alone": self.mask_beats > self.ring_beats} if check_bits else {})  # fmt: skip
        self.records: list[tuple[bytes, list[int]]] = []
        self.mask_offsets: list[int] = []
        self.value_offsets: list[int] = []
        for row in range(rows):
            for plane in range(planes):
                density = densities[len(self.records) % len(densities)]
                acts = np.where(rng.random(n_bits) < density, rng.choice([-most, -1, 1, most], n_bits), 0).astype(np.int8)
                masks = np.packbits(acts != 0, bitorder="little").tobytes()
                values = acts[acts != 0]
                padded = masks.ljust(self.ring_beats * beat, b"\0")
                self.records.append((padded, values.tolist()))
                base = offset + row * row_stride + plane * plane_stride
                self.mask_offsets += self._place(base, masks if check_bits else padded)
                self.value_offsets += self._place(base + value_offset, pack_integers(values.astype("<i2"), bits).tobytes())

    def _place(self, base: int, part: bytes) -> range:
        """Store masks or values, with their check if the core wants it; the offsets of their beats."""
        beat = self.core.beat_bytes
        if self.core.record_check and part:
            part = part.ljust(-(-(len(part) + 2) // beat) * beat, b"\0")
            part = part[:-2] + crc_hqx(part, 0).to_bytes(2, "big")
        self.memory[base : base + len(part)] = part
        return range(base, base + len(part), beat)

    @property
    def n_beats(self) -> int:
        return len(self.mask_offsets) + len(self.value_offsets)


class Memory:
    """Answers bursts in order, each after ``latency`` cycles, with random stalls; checks their form and the rings' credits."""

    def __init__(self, dut: ActReader, job: Job, *, seed: int = 0, stall: float = 0.0, latency: int = 3):
        self.dut, self.job, self.stall, self.latency = dut, job, stall, latency
        self.rng = Random(seed)
        self.offsets: list[int] = []
        """Of every beat requested, in order."""
        self.before = 0, 0  # beats of masks and of values of the passes before
        self.beats: deque[tuple[int, int]] = deque()  # first cycle, content
        self.cycle = 0
        self.n_read = 0

    def begin(self, job: Job) -> None:
        """Another memory content, with nothing under way."""
        assert not self.beats
        self.before = self._requested()
        self.job = job
        self.offsets.clear()

    def _requested(self) -> tuple[int, int]:
        """Beats of masks and of values, of all passes."""
        masks = set(self.job.mask_offsets)
        n_masks = sum(offset in masks for offset in self.offsets)
        return self.before[0] + n_masks, self.before[1] + len(self.offsets) - n_masks

    async def run(self, ctx) -> None:
        dut, showing = self.dut, False
        while True:
            ready = self.rng.random() >= self.stall
            ctx.set(dut.request.ready, ready)
            if not showing and self.beats and self.beats[0][0] <= self.cycle and self.rng.random() >= self.stall:
                showing = True
                ctx.set(dut.data.payload, self.beats[0][1])
            ctx.set(dut.data.valid, showing)
            sampled = await ctx.tick().sample(dut.request.valid, dut.request.payload, dut.data.ready, dut.beats_read)
            _, _, valid, burst, taken, beat_read = sampled
            assert beat_read == (showing and taken)
            self.n_read += beat_read
            if showing and taken:
                self.beats.popleft()
                showing = False
            if valid and ready:
                self._accept(ctx, burst)
            self.cycle += 1

    def _accept(self, ctx, burst) -> None:
        size = self.job.core.beat_bytes
        assert burst.region == REGION and burst.offset % size == 0
        assert burst.beats >= 1 and burst.offset // size % BURST_BEATS + burst.beats <= BURST_BEATS
        for offset in range(burst.offset, burst.offset + burst.beats * size, size):
            self.offsets.append(offset)
            self.beats.append((self.cycle + self.latency, int.from_bytes(self.job.memory[offset : offset + size], "little")))
        if self.job.core.record_check:
            return  # some beats that were requested go into no ring
        for requested, freed in zip(self._requested(), (self.dut.buffers.mask_freed, self.dut.buffers.value_freed), strict=True):
            depth = self.job.core.act_depth
            assert (requested - ctx.get(freed)) % (2 * depth) <= depth, "more requested than there is room"


class Consumer:
    """Walks the records as the scanner does and frees each beat as soon as it is used up."""

    def __init__(self, dut: ActReader, job: Job, *, seed: int = 0, stall: float = 0.0):
        self.dut, self.job, self.stall, self.rng = dut, job, stall, Random(seed)
        self.mask_beat = self.value_beat = 0

    async def _wait(self, ctx, written, beat: int) -> None:
        while self.rng.random() < self.stall or ctx.get(written) == beat % (2 * self.job.core.act_depth):
            await ctx.tick()

    async def _read(self, ctx, name: str, addr: int) -> int:
        """One access of a read port, with the result held over cycles in which other addresses stand there."""
        port_en, port_addr, port_data = (getattr(self.dut.buffers, f"{name}_{part}") for part in ("en", "addr", "data"))
        ctx.set(port_en, 1)
        ctx.set(port_addr, addr % (1 << len(port_addr)))
        await ctx.tick()
        ctx.set(port_en, 0)
        while self.rng.random() < self.stall:
            ctx.set(port_addr, self.rng.randrange(1 << len(port_addr)))
            await ctx.tick()
        return ctx.get(port_data)

    async def start(self, ctx) -> None:
        """Begin the job's pass."""
        assert ctx.get(self.dut.done)
        ctx.set(self.dut.config, self.job.config)
        ctx.set(self.dut.start, 1)
        await ctx.tick()
        ctx.set(self.dut.start, 0)

    async def run(self, ctx, job: Job) -> None:
        """Use up the records of a job whose pass has begun."""
        core, dut, bits = job.core, self.dut, job.bits
        ratio, pointers = core.data_width // core.detector_width, 2 * core.act_depth
        per_beat = core.data_width // bits
        for masks, values in job.records:
            next_value, mask_beat, value_beat = 0, self.mask_beat, self.value_beat
            for word_index in range(job.ring_beats * ratio):
                await self._wait(ctx, dut.buffers.mask_written, mask_beat + word_index // ratio)
                word = await self._read(ctx, "mask", mask_beat * ratio + word_index)
                n_bytes = core.detector_width // 8
                assert word == int.from_bytes(masks[word_index * n_bytes : (word_index + 1) * n_bytes], "little")
                for _ in range(word.bit_count()):
                    await self._wait(ctx, dut.buffers.value_written, value_beat + next_value // per_beat)
                    ctx.set(dut.buffers.value_narrow, bits == 4)
                    value = await self._read(ctx, "value", (value_beat * per_beat + next_value) * (bits // 4))
                    assert value == values[next_value]
                    next_value += 1
                    ctx.set(dut.buffers.value_freed, (value_beat + next_value // per_beat) % pointers)
                ctx.set(dut.buffers.mask_freed, (mask_beat + (word_index + 1) // ratio) % pointers)
            self.mask_beat += job.ring_beats
            self.value_beat += -(-len(values) // per_beat)
            ctx.set(dut.buffers.value_freed, self.value_beat % pointers)


def run(core: CoreConfig, jobs: list[Job], *, stall: float = 0.0, latency: int = 3, seed: int = 0) -> None:
    """Read passes one after the other as soon as the reader lets them, while a consumer uses them up; check contents and that
    masks and values were read once, in order, and nothing else."""
    dut = ActReader(core)
    memory = Memory(dut, jobs[0], seed=seed, stall=stall, latency=latency)
    consumer = Consumer(dut, jobs[0], seed=seed, stall=stall)
    begun = 0

    async def begin(ctx) -> None:
        nonlocal begun
        for job in jobs:
            memory.begin(job)
            consumer.job = job
            await consumer.start(ctx)
            begun += 1
            await wait_until(ctx, dut.done)
            masks = set(job.mask_offsets)
            assert [offset for offset in memory.offsets if offset in masks] == job.mask_offsets
            assert [offset for offset in memory.offsets if offset not in masks] == job.value_offsets
        assert memory.n_read == sum(job.n_beats for job in jobs)

    async def consume(ctx) -> None:
        for index, job in enumerate(jobs):
            while begun <= index:
                await ctx.tick()
            await consumer.run(ctx, job)

    simulate(dut, begin, consume, background=[memory, stream_rule(dut.request)], limit=20_000)


@pytest.mark.parametrize("core", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize(("rows", "planes", "n_bits"), [(6, 1, 28), (2, 3, 200), (3, 2, 1)])
@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize("bits", [8, 4])
def test_equals_reference(core: CoreConfig, rows: int, planes: int, n_bits: int, stall: float, bits: int) -> None:
    """Empty, sparse and dense records, several planes, records of one beat."""
    run(core, [Job(core, rows, planes, n_bits, [0.3, 0.0, 1.0, 0.0, 0.0, 0.6], seed=n_bits, bits=bits)], stall=stall, seed=rows)


@pytest.mark.parametrize("core", CONFIGS.values(), ids=CONFIGS)
def test_all_zero(core: CoreConfig) -> None:
    """A map of zeros costs its masks alone."""
    job = Job(core, 5, 2, 300, [0.0], seed=1)
    assert not job.value_offsets
    run(core, [job])


@pytest.mark.parametrize("part", ["mask", "value"])
@pytest.mark.parametrize("core", [CONFIGS["checked"], CONFIGS["checked_bus_128"]], ids=["bus_64", "bus_128"])
def test_a_flipped_bit_is_found(core: CoreConfig, part: str) -> None:
    """Anywhere in the masks or the values of a record, as soon as these have been read."""
    rng = Random(5)
    for _ in range(12):
        job = Job(core, 2, 1, 100, [0.5], seed=6)
        at = rng.choice(job.mask_offsets if part == "mask" else job.value_offsets) + rng.randrange(core.beat_bytes)
        job.memory[at] ^= 1 << rng.randrange(8)
        dut = ActReader(core)

        async def bench(ctx, dut=dut, job=job) -> None:
            await Consumer(dut, job).start(ctx)
            await wait_until(ctx, dut.damaged)

        simulate(dut, bench, background=[Memory(dut, job)], limit=400)


def test_values_beyond_the_ring() -> None:
    """Records of more values than the value ring holds stream through."""
    core = CONFIGS["bus_64_words_32"]
    job = Job(core, 2, 1, 700, [1.0], seed=2)
    assert len(job.value_offsets) // 2 > core.act_depth
    run(core, [job], stall=0.1)


@pytest.mark.parametrize("core", CONFIGS.values(), ids=CONFIGS)
def test_masks_fill_the_ring(core: CoreConfig) -> None:
    """A record whose masks need the whole mask ring, and another one behind it."""
    job = Job(core, 3, 1, core.act_depth * core.data_width - 5 - 16 * core.record_check, [0.02, 0.0, 0.01], seed=3)
    assert job.mask_beats == core.act_depth
    run(core, [job])


def test_passes_follow_each_other() -> None:
    """A pass is read while the one before is still being used."""
    core = CONFIGS["bus_64_words_32"]
    run(core, [Job(core, 3, 1, n, [0.5, 0.0], seed=n, bits=bits) for n, bits in ((100, 8), (7, 4), (190, 4), (50, 8))], stall=0.2)


def test_masks_run_ahead() -> None:
    """While no mask has come, those of `masks_ahead` records are requested, and not more."""
    core = CONFIGS["bus_64_words_32"]
    dut = ActReader(core)
    job = Job(core, 9, 1, 60, [0.5], seed=7)
    memory = Memory(dut, job, latency=10_000)

    async def testbench(ctx) -> None:
        await Consumer(dut, job).start(ctx)
        for _ in range(60):
            await ctx.tick()
        assert memory.offsets == job.mask_offsets[: core.masks_ahead]

    simulate(dut, testbench, background=[memory], limit=100)


def test_waits_for_rows() -> None:
    """Row r is not requested before ``rows_awaited + r`` rows of the map are in memory, or all of it is."""
    core = CONFIGS["bus_64_words_32"]
    dut = ActReader(core)
    job = Job(core, 6, 1, 60, [0.0], seed=9)
    job.config |= {"awaits_rows": 1, "rows_awaited": -1}
    memory = Memory(dut, job)

    async def testbench(ctx) -> None:
        await Consumer(dut, job).start(ctx)
        for written, requested in ((0, 2), (1, 3), (2, 4)):
            ctx.set(dut.rows_written, written)
            for _ in range(60):
                await ctx.tick()
            assert memory.offsets == job.mask_offsets[:requested]
        ctx.set(dut.all_written, 1)
        for _ in range(60):
            await ctx.tick()
        assert memory.offsets == job.mask_offsets

    simulate(dut, testbench, background=[memory], limit=400)


@pytest.mark.parametrize("n_bits", [60, 500])
def test_hides_latency(n_bits: int) -> None:
    """With beats freed as they come, the bus is busy but for the first masks; of short ones `masks_ahead` come per round trip."""
    core, latency = CONFIGS["bus_64_words_32"], 12
    dut = ActReader(core)
    job = Job(core, 40 if n_bits < 100 else 10, 1, n_bits, [0.7], seed=8)
    memory = Memory(dut, job, latency=latency)

    async def testbench(ctx) -> None:
        await Consumer(dut, job).start(ctx)
        memory.cycle = 0
        while memory.n_read < job.n_beats:
            ctx.set(dut.buffers.mask_freed, ctx.get(dut.buffers.mask_written))
            ctx.set(dut.buffers.value_freed, ctx.get(dut.buffers.value_written))
            await ctx.tick()
        round_trip = latency + 8
        assert memory.cycle <= max(job.n_beats, round_trip * len(job.records) // core.masks_ahead) + 2 * round_trip

    simulate(dut, testbench, background=[memory], limit=2000)
