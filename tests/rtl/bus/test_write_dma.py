"""WriteDMA against an AXI4 memory with random latency and back-pressure."""

from random import Random

import pytest

from quiesce.rtl.bus.write_dma import WRITABLE, WriteDMA
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import BURST_BEATS, Region
from tests.rtl.support import AXI4Memory, StreamDriver, simulate, wait_until

BASES = (0x0000, 0x2000, 0x4000, 0x6000)
SIZE = 0x1800


def disjoint_bursts(rng: Random, count: int, beat_bytes: int) -> list[dict[str, int]]:
    """Legal bursts, each in a block of BURST_BEATS beats of its own."""
    blocks = rng.sample([(region, block) for region in WRITABLE for block in range(SIZE // (BURST_BEATS * beat_bytes))], count)
    bursts = []
    for region, block in blocks:
        beats = rng.randint(1, BURST_BEATS)
        first = block * BURST_BEATS + rng.randint(0, BURST_BEATS - beats)
        bursts.append({"region": region, "offset": first * beat_bytes, "beats": beats})
    return bursts


def words_for(rng: Random, bursts: list[dict[str, int]], width: int) -> list[int]:
    return [rng.getrandbits(width) for burst in bursts for _ in range(burst["beats"])]


def write_into(image: bytearray, bursts: list[dict[str, int]], words: list[int], beat_bytes: int) -> None:
    remaining = iter(words)
    for burst in bursts:
        for beat in range(burst["beats"]):
            start = BASES[burst["region"]] + burst["offset"] + beat * beat_bytes
            image[start : start + beat_bytes] = next(remaining).to_bytes(beat_bytes, "little")


async def set_regions(ctx, dut) -> None:
    ctx.set(dut.region_base, list(BASES))
    ctx.set(dut.region_size, [SIZE] * 4)


@pytest.mark.parametrize("data_width", [64, 128])
@pytest.mark.parametrize("n_clients", [1, 2])
@pytest.mark.parametrize(("gap", "stall"), [(0.0, 0.0), (0.4, 0.5)])
def test_memory_holds_what_was_written(data_width, n_clients, gap, stall):
    dut = WriteDMA(CoreConfig(data_width=data_width), n_clients)
    memory = AXI4Memory(dut.axi, seed=1, stall=stall, latency=(1, 20))
    rng = Random(2)
    bursts = disjoint_bursts(rng, 20 * n_clients, data_width // 8)
    image = bytearray(memory.data)
    drivers = []
    for i in range(n_clients):
        mine = bursts[i::n_clients]
        words = words_for(rng, mine, data_width)
        write_into(image, mine, words, data_width // 8)
        drivers.append(StreamDriver(getattr(dut, f"request_{i}"), mine, seed=3 + i, gap=gap))
        drivers.append(StreamDriver(getattr(dut, f"data_{i}"), words, seed=5 + i, gap=gap))

    async def finish(ctx) -> None:
        await set_regions(ctx, dut)
        sent = 0
        while sent < len(bursts):
            await wait_until(ctx, dut.idle)
            sent = len(memory.write_bursts)
            if ctx.get(dut.idle):
                assert sum(beats for _, beats in memory.write_bursts) == len(memory.write_cycles)
        assert not ctx.get(dut.error_bounds) and not ctx.get(dut.error_bus)

    simulate(dut, finish, *drivers, background=[memory.writes])
    assert memory.data == image


@pytest.mark.parametrize("beats", [1, 4, 16])
def test_full_throughput_without_bubbles(beats):
    dut = WriteDMA(CoreConfig(), 1)
    memory = AXI4Memory(dut.axi, latency=(5, 5))
    bursts = [{"region": 1, "offset": 8 * BURST_BEATS * block, "beats": beats} for block in range(40)]

    async def finish(ctx) -> None:
        await set_regions(ctx, dut)
        await wait_until(ctx, dut.axi.awvalid)
        await wait_until(ctx, dut.idle)

    simulate(
        dut, finish, StreamDriver(dut.request_0, bursts), StreamDriver(dut.data_0, range(40 * beats)), background=[memory.writes]
    )
    first = memory.write_cycles[0]
    assert memory.write_cycles == list(range(first, first + 40 * beats))


def test_latency_and_outstanding_bursts():
    dut = WriteDMA(CoreConfig(), 1)
    memory = AXI4Memory(dut.axi, latency=(100, 100))
    bursts = [{"region": 3, "offset": 8 * index, "beats": 1} for index in range(40)]

    async def latency(ctx) -> None:
        await set_regions(ctx, dut)
        assert await wait_until(ctx, dut.request_0.valid & dut.request_0.ready) == 0
        assert await wait_until(ctx, dut.axi.awvalid) == 1
        assert await wait_until(ctx, dut.axi.wvalid) == 0  # one cycle after the address
        await wait_until(ctx, dut.idle)

    simulate(dut, latency, StreamDriver(dut.request_0, bursts), StreamDriver(dut.data_0, range(40)), background=[memory.writes])
    assert memory.peak_writes == WriteDMA.OUTSTANDING


def test_address_does_not_wait_for_its_data_nor_data_for_their_address():
    """A slave may hold awready until wvalid, and wready until awvalid."""
    dut = WriteDMA(CoreConfig(), 1)
    burst = {"region": 1, "offset": 0, "beats": 2}

    async def check(ctx) -> None:
        await set_regions(ctx, dut)
        await StreamDriver(dut.request_0, [burst]).run(ctx)
        ctx.set(dut.data_0.valid, 1)
        await wait_until(ctx, dut.axi.awvalid & dut.axi.wvalid, 10)

    simulate(dut, check)


@pytest.mark.parametrize(("region", "offset"), [(Region.SCRATCH, SIZE - 8), (Region.PROGRAM, 0), (Region.INPUT, 0)])
def test_out_of_bounds_is_not_issued(region, offset):
    dut = WriteDMA(CoreConfig(), 1)
    memory = AXI4Memory(dut.axi)

    async def check(ctx) -> None:
        await set_regions(ctx, dut)
        await StreamDriver(dut.request_0, [{"region": region, "offset": offset, "beats": 2}]).run(ctx)
        await ctx.tick().repeat(10)
        assert ctx.get(dut.error_bounds) and ctx.get(dut.idle)

    simulate(dut, check, background=[memory.writes])
    assert memory.write_bursts == []


@pytest.mark.parametrize("fault", [False, True])
def test_bus_error_is_sticky(fault):
    dut = WriteDMA(CoreConfig(), 1)
    memory = AXI4Memory(dut.axi, faults=range(BASES[1], BASES[1] + 1) if fault else range(0))
    bursts = [{"region": region, "offset": 0, "beats": 4} for region in (1, 3)]

    async def check(ctx) -> None:
        await set_regions(ctx, dut)
        await wait_until(ctx, dut.axi.awvalid)
        await wait_until(ctx, dut.idle)
        assert ctx.get(dut.error_bus) == fault

    simulate(dut, check, StreamDriver(dut.request_0, bursts), StreamDriver(dut.data_0, range(8)), background=[memory.writes])
    assert len(memory.write_bursts) == 2


@pytest.mark.parametrize("cycle", [1, 2, 3, 10, 37])
def test_halt_completes_bursts_without_storing(cycle):
    dut = WriteDMA(CoreConfig(), 2)
    memory = AXI4Memory(dut.axi, seed=cycle, stall=0.6, latency=(3, 30))
    rng = Random(cycle)
    bursts = disjoint_bursts(rng, 60, 8)
    image = bytearray(memory.data)
    mine = bursts[:30]
    words = words_for(rng, mine, 64)
    write_into(image, mine, words, 8)
    before = bytes(memory.data)
    drivers = [
        StreamDriver(dut.request_0, mine), StreamDriver(dut.data_0, words, gap=0.5),
        StreamDriver(dut.request_1, bursts[30:]),  # its data never come
    ]  # fmt: skip

    async def check(ctx) -> None:
        await set_regions(ctx, dut)
        await ctx.tick().repeat(cycle)
        ctx.set(dut.halt, 1)
        assert not ctx.get(dut.request_0.ready | dut.request_1.ready)
        offered = len(memory.write_bursts) + ctx.get(dut.axi.awvalid)
        stored = len(memory.write_cycles) + ctx.get(dut.axi.wvalid)
        await wait_until(ctx, dut.idle)
        await ctx.tick().repeat(5)
        assert ctx.get(dut.idle) and not ctx.get(dut.axi.awvalid) and not ctx.get(dut.axi.wvalid)
        assert len(memory.write_bursts) == offered
        assert len(memory.write_cycles) == sum(beats for _, beats in memory.write_bursts)
        partial = bytearray(before)
        done = 0
        for burst in mine:
            for beat in range(burst["beats"]):
                start = BASES[burst["region"]] + burst["offset"] + 8 * beat
                if done < stored:
                    partial[start : start + 8] = image[start : start + 8]
                done += 1
        assert memory.data == partial

    simulate(dut, check, background=[memory.writes, *drivers])


def test_idle_falls_with_the_first_request():
    dut = WriteDMA(CoreConfig(), 2)

    async def check(ctx) -> None:
        await ctx.tick().repeat(3)
        assert ctx.get(dut.idle)
        ctx.set(dut.request_1.valid, 1)
        assert not ctx.get(dut.idle)

    simulate(dut, check)


@pytest.mark.parametrize("early", [False, True])
def test_a_response_before_its_data_does_not_count(early):
    dut = WriteDMA(CoreConfig(), 1)
    axi = dut.axi

    async def memory(ctx) -> None:
        await set_regions(ctx, dut)
        ctx.set(axi.awready, 1)
        ctx.set(axi.wready, 1)
        await wait_until(ctx, axi.awvalid)
        if not early:
            await wait_until(ctx, axi.wvalid & axi.wlast)
        ctx.set(axi.bvalid, 1)
        await ctx.tick()
        ctx.set(axi.bvalid, 0)
        for _ in range(20):
            await ctx.tick()
        assert ctx.get(dut.error_bus) == early
        assert ctx.get(dut.idle) == (not early)

    burst = {"region": Region.OUTPUT, "offset": 0, "beats": 8}
    simulate(dut, StreamDriver(dut.request_0, [burst]), StreamDriver(dut.data_0, range(8), gap=0.5), memory)
