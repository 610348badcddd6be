"""ReadDMA against an AXI4 memory with random latency and back-pressure."""

from random import Random

import pytest

from quiesce.rtl.bus.read_dma import ReadDMA
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import BURST_BEATS
from tests.rtl.support import AXI4Memory, StreamDriver, StreamMonitor, simulate, stream_rule, wait_until

BASES = (0x0000, 0x2000, 0x4000, 0x6100)
SIZE = 0x1800


def random_bursts(rng: Random, count: int, beat_bytes: int) -> list[dict[str, int]]:
    """Legal bursts: each ends at or before the next multiple of BURST_BEATS beats."""
    bursts = []
    for _ in range(count):
        beats = rng.randint(1, BURST_BEATS)
        block = rng.randrange(SIZE // (BURST_BEATS * beat_bytes))
        first = block * BURST_BEATS + rng.randint(0, BURST_BEATS - beats)
        bursts.append({"region": rng.randrange(4), "offset": first * beat_bytes, "beats": beats})
    return bursts


def expected(memory: AXI4Memory, bursts: list[dict[str, int]]) -> list[int]:
    starts = ((BASES[burst["region"]] + burst["offset"], burst["beats"]) for burst in bursts)
    return [memory.word(start + beat * memory.beat_bytes) for start, beats in starts for beat in range(beats)]


async def set_regions(ctx, dut) -> None:
    ctx.set(dut.region_base, list(BASES))
    ctx.set(dut.region_size, [SIZE] * 4)


@pytest.mark.parametrize("data_width", [64, 128])
@pytest.mark.parametrize("n_clients", [1, 2, 3])
@pytest.mark.parametrize(("gap", "stall"), [(0.0, 0.0), (0.4, 0.5)])
def test_data_arrive_at_their_client_in_order(data_width, n_clients, gap, stall):
    dut = ReadDMA(CoreConfig(data_width=data_width), n_clients)
    memory = AXI4Memory(dut.axi, seed=1, stall=stall, latency=(1, 20))
    rng = Random(2)
    bursts = [random_bursts(rng, 30, data_width // 8) for _ in range(n_clients)]
    wanted = [expected(memory, sequence) for sequence in bursts]
    monitors, drivers, rules = [], [], []
    for i in range(n_clients):
        stream = getattr(dut, f"data_{i}")
        monitors.append(StreamMonitor(stream, len(wanted[i]), seed=3 + i, stall=stall))
        drivers.append(StreamDriver(getattr(dut, f"request_{i}"), bursts[i], seed=7 + i, gap=gap))
        rules.append(stream_rule(stream))

    async def finish(ctx) -> None:
        await set_regions(ctx, dut)
        await wait_until(ctx, dut.axi.arvalid)
        assert not ctx.get(dut.idle)
        await wait_until(ctx, dut.idle & (sum(getattr(dut, f"request_{i}").valid for i in range(n_clients)) == 0), 20_000)
        assert not ctx.get(dut.error_bounds) and not ctx.get(dut.error_bus)

    simulate(dut, finish, *drivers, *monitors, background=[memory.reads, *rules])
    assert [monitor.items for monitor in monitors] == wanted


@pytest.mark.parametrize("beats", [1, 5, 16])
def test_full_throughput_without_bubbles(beats):
    dut = ReadDMA(CoreConfig(), 1)
    memory = AXI4Memory(dut.axi, latency=(5, 5))
    bursts = [{"region": 0, "offset": 8 * BURST_BEATS * block, "beats": beats} for block in range(40)]
    monitor = StreamMonitor(dut.data_0, 40 * beats)

    async def regions(ctx) -> None:
        await set_regions(ctx, dut)

    simulate(dut, regions, StreamDriver(dut.request_0, bursts), monitor, background=[memory.reads])
    assert monitor.items == expected(memory, bursts)
    assert monitor.cycles == list(range(monitor.cycles[0], monitor.cycles[0] + 40 * beats))


def test_request_latency_and_outstanding_bursts():
    dut = ReadDMA(CoreConfig(), 1)
    memory = AXI4Memory(dut.axi, latency=(100, 100))
    bursts = [{"region": 2, "offset": 8 * index, "beats": 1} for index in range(40)]

    async def latency(ctx) -> None:
        await set_regions(ctx, dut)
        assert await wait_until(ctx, dut.request_0.valid & dut.request_0.ready) == 0
        assert await wait_until(ctx, dut.axi.arvalid) == 1

    simulate(dut, latency, StreamDriver(dut.request_0, bursts), StreamMonitor(dut.data_0, 40), background=[memory.reads])
    assert memory.peak_reads == ReadDMA.OUTSTANDING


def test_lower_index_goes_first():
    dut = ReadDMA(CoreConfig(), 2)
    memory = AXI4Memory(dut.axi)
    first = [{"region": 0, "offset": 0, "beats": 1}] * 5
    second = [{"region": 1, "offset": 0, "beats": 1}] * 2

    async def regions(ctx) -> None:
        await set_regions(ctx, dut)

    simulate(
        dut, regions, StreamDriver(dut.request_0, first), StreamDriver(dut.request_1, second),
        StreamMonitor(dut.data_0, 5), StreamMonitor(dut.data_1, 2), background=[memory.reads],
    )  # fmt: skip
    assert [address for address, _ in memory.read_bursts] == [BASES[0]] * 5 + [BASES[1]] * 2


@pytest.mark.parametrize(
    ("burst", "legal"),
    [
        ({"region": 1, "offset": SIZE - 16, "beats": 2}, True),
        ({"region": 1, "offset": SIZE - 16, "beats": 3}, False),
        ({"region": 1, "offset": 0xFFFF_FFF8, "beats": 2}, False),  # the sum wraps
        ({"region": 1, "offset": 4, "beats": 1}, False),  # not aligned to a beat
        ({"region": 1, "offset": 0, "beats": 0}, False),
        ({"region": 1, "offset": 0, "beats": 17}, False),
        ({"region": 3, "offset": 0xE80, "beats": 16}, True),  # ends at a page boundary
        ({"region": 3, "offset": 0xE88, "beats": 16}, False),  # crosses it
        ({"region": 0, "offset": 0, "beats": 1}, False),  # the base lies beyond the address space
    ],
)
def test_bounds(burst, legal):
    dut = ReadDMA(CoreConfig(addr_width=20), 1)
    memory = AXI4Memory(dut.axi)
    monitor = StreamMonitor(dut.data_0)
    follower = {"region": 2, "offset": 0, "beats": 1}

    async def check(ctx) -> None:
        ctx.set(dut.region_base, [1 << 20, *BASES[1:]])
        ctx.set(dut.region_size, [SIZE] * 4)
        await StreamDriver(dut.request_0, [burst, follower]).run(ctx)
        await wait_until(ctx, dut.idle)
        await ctx.tick().repeat(3)
        assert ctx.get(dut.error_bounds) == (not legal)

    simulate(dut, check, background=[memory.reads, monitor])
    issued = [(BASES[burst["region"]] + burst["offset"], burst["beats"])] if legal else []
    assert memory.read_bursts == [*issued, (BASES[2], 1)]


@pytest.mark.parametrize("fault", [False, True])
def test_bus_error_is_sticky(fault):
    dut = ReadDMA(CoreConfig(), 1)
    bad = BASES[0] + 24
    memory = AXI4Memory(dut.axi, faults=range(bad, bad + 1) if fault else range(0))
    bursts = [{"region": 0, "offset": 0, "beats": 8}, {"region": 1, "offset": 0, "beats": 8}]
    monitor = StreamMonitor(dut.data_0, 16)

    async def check(ctx) -> None:
        await set_regions(ctx, dut)
        await StreamDriver(dut.request_0, bursts).run(ctx)
        await wait_until(ctx, dut.idle)
        assert ctx.get(dut.error_bus) == fault
        assert not ctx.get(dut.error_bounds)

    simulate(dut, check, monitor, background=[memory.reads])
    assert monitor.items == expected(memory, bursts)


@pytest.mark.parametrize("cycle", [1, 2, 3, 10, 37])
@pytest.mark.parametrize("client", [0, 1])
def test_halt_swallows_what_is_under_way(cycle, client):
    """One client takes what it gets, the other nothing."""
    dut = ReadDMA(CoreConfig(), 2)
    memory = AXI4Memory(dut.axi, seed=cycle, stall=0.6, latency=(3, 30))
    rng = Random(cycle)
    drivers = [StreamDriver(getattr(dut, f"request_{i}"), random_bursts(rng, 50, 8)) for i in range(2)]
    taking = StreamMonitor(getattr(dut, f"data_{client}"))
    blocked = StreamMonitor(getattr(dut, f"data_{1 - client}"), stall=1.0)

    async def check(ctx) -> None:
        await set_regions(ctx, dut)
        await ctx.tick().repeat(cycle)
        ctx.set(dut.halt, 1)
        assert not ctx.get(dut.request_0.ready | dut.request_1.ready)
        offered = len(memory.read_bursts) + ctx.get(dut.axi.arvalid)
        delivered = len(taking.items)
        await wait_until(ctx, dut.idle)
        await ctx.tick().repeat(5)
        assert ctx.get(dut.idle) and not ctx.get(dut.axi.arvalid)
        assert len(memory.read_bursts) == offered
        assert len(memory.read_cycles) == sum(beats for _, beats in memory.read_bursts)
        assert len(taking.items) == delivered

    rules = [stream_rule(dut.data_0, unless=dut.halt), stream_rule(dut.data_1, unless=dut.halt)]
    simulate(dut, check, background=[memory.reads, *drivers, blocked, taking, *rules])


@pytest.mark.parametrize("beats", [1, 3, 4, 5, 6])
def test_a_burst_of_wrong_length_is_an_error(beats):
    """Four beats are asked for; beats beyond the last one that is marked so are nobody's."""
    dut = ReadDMA(CoreConfig(), 1)
    axi = dut.axi

    async def memory(ctx) -> None:
        await set_regions(ctx, dut)
        ctx.set(axi.arready, 1)
        await StreamDriver(dut.request_0, [{"region": 1, "offset": 0, "beats": 4}]).run(ctx)
        await wait_until(ctx, axi.arvalid)
        for beat in range(beats):
            ctx.set(axi.rvalid, 1)
            ctx.set(axi.rlast, beat == min(3, beats - 1))
            await wait_until(ctx, axi.rready)
        ctx.set(axi.rvalid, 0)
        await ctx.tick()
        assert ctx.get(dut.error_bus) == (beats != 4)
        assert ctx.get(dut.idle)

    simulate(dut, memory, background=[StreamMonitor(dut.data_0)])
