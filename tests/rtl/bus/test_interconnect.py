"""Interconnects between DMAs with random requests and a memory that answers out of order."""

from random import Random

import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out, connect, flipped

from quiesce.rtl.bus.axi import AXI4ReadSignature, AXI4WriteSignature
from quiesce.rtl.bus.interconnect import ReadInterconnect, WriteInterconnect
from quiesce.rtl.bus.read_dma import ReadDMA
from quiesce.rtl.bus.round_robin import RoundRobin
from quiesce.rtl.bus.write_dma import WriteDMA
from quiesce.rtl.lib.bits import bits_for_index
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import BURST_BEATS, Region
from tests.rtl.support import AXI4Memory, StreamDriver, StreamMonitor, simulate, stream_rule

CONFIG = CoreConfig()
BURST_BYTES = BURST_BEATS * CONFIG.beat_bytes
SIZE = 64 * BURST_BYTES


class Shared(wiring.Component):
    """Some DMAs with one client each behind an interconnect."""

    def __init__(self, dma: type, n_masters: int):
        half, self.interconnect = (
            (AXI4ReadSignature, ReadInterconnect) if dma is ReadDMA else (AXI4WriteSignature, WriteInterconnect)
        )
        self.dmas = [dma(CONFIG, 1) for _ in range(n_masters)]
        super().__init__({"axi": Out(half(CONFIG.addr_width, CONFIG.data_width, bits_for_index(n_masters)))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.interconnect = interconnect = self.interconnect(CONFIG, len(self.dmas))
        connect(m, interconnect.axi, flipped(self.axi))
        for i, dma in enumerate(self.dmas):
            m.submodules[f"dma_{i}"] = dma
            connect(m, dma.axi, getattr(interconnect, f"master_{i}"))
        return m


def place(ctx, dut) -> None:
    """Give each master a page range of its own, as its scratch region."""
    for i, dma in enumerate(dut.dmas):
        ctx.set(dma.region_base[Region.SCRATCH], i * SIZE)
        ctx.set(dma.region_size[Region.SCRATCH], SIZE)


def random_bursts(rng: Random, count: int) -> list[dict[str, int]]:
    blocks = rng.sample(range(SIZE // BURST_BYTES), count)
    return [{"region": Region.SCRATCH, "offset": block * BURST_BYTES, "beats": rng.randint(1, BURST_BEATS)} for block in blocks]


def beats_of(memory: AXI4Memory, base: int, bursts: list[dict[str, int]]) -> list[int]:
    return [memory.word(base + burst["offset"] + 8 * beat) for burst in bursts for beat in range(burst["beats"])]


async def quiet(ctx, dut) -> None:
    """Wait until every DMA has been idle for a while."""
    idle_cycles = 0
    while idle_cycles < 20:
        await ctx.tick()
        idle_cycles = idle_cycles + 1 if all(ctx.get(dma.idle) for dma in dut.dmas) else 0


@pytest.mark.parametrize("n_masters", [2, 3, 8])
@pytest.mark.parametrize(("gap", "stall"), [(0.0, 0.0), (0.3, 0.4)])
@pytest.mark.parametrize("mixed", [False, True])
def test_every_beat_arrives_once_and_in_order_at_the_master_that_asked(n_masters, gap, stall, mixed):
    dut = Shared(ReadDMA, n_masters)
    memory = AXI4Memory(dut.axi, seed=1, stall=stall, latency=(1, 30), mixed=mixed)
    rng = Random(n_masters)
    bursts = [random_bursts(rng, 20) for _ in dut.dmas]
    drivers = [StreamDriver(dma.request_0, bursts[i], seed=i, gap=gap) for i, dma in enumerate(dut.dmas)]
    monitors = [StreamMonitor(dma.data_0, seed=9 + i, stall=stall) for i, dma in enumerate(dut.dmas)]
    rules = [stream_rule(dma.data_0) for dma in dut.dmas]

    async def finish(ctx) -> None:
        place(ctx, dut)
        await ctx.tick().repeat(5)
        await quiet(ctx, dut)

    simulate(dut, *drivers, finish, background=[memory.reads, *monitors, *rules])
    assert [monitor.items for monitor in monitors] == [beats_of(memory, i * SIZE, one) for i, one in enumerate(bursts)]


@pytest.mark.parametrize("n_masters", [2, 3, 8])
@pytest.mark.parametrize(("gap", "stall"), [(0.0, 0.0), (0.3, 0.4)])
@pytest.mark.parametrize("mixed", [False, True])
def test_every_write_reaches_its_place_once(n_masters, gap, stall, mixed):
    dut = Shared(WriteDMA, n_masters)
    memory = AXI4Memory(dut.axi, seed=1, stall=stall, latency=(1, 30), mixed=mixed)
    rng = Random(n_masters)
    bursts = [random_bursts(rng, 20) for _ in dut.dmas]
    data = [[rng.getrandbits(64) for _ in range(sum(burst["beats"] for burst in one))] for one in bursts]
    drivers = [StreamDriver(dma.request_0, bursts[i], seed=i, gap=gap) for i, dma in enumerate(dut.dmas)]
    drivers += [StreamDriver(dma.data_0, data[i], seed=9 + i, gap=gap) for i, dma in enumerate(dut.dmas)]

    async def finish(ctx) -> None:
        place(ctx, dut)
        await ctx.tick().repeat(5)
        await quiet(ctx, dut)

    simulate(dut, *drivers, finish, background=[memory.writes])
    assert [beats_of(memory, i * SIZE, one) for i, one in enumerate(bursts)] == data
    assert len(memory.write_cycles) == sum(map(len, data))


@pytest.mark.parametrize("dma", [ReadDMA, WriteDMA])
def test_one_beat_a_cycle_and_equal_shares(dma):
    """Bursts of a few beats from two masters that always have more."""
    dut = Shared(dma, 2)
    memory = AXI4Memory(dut.axi, latency=(4, 4))
    bursts = [{"region": Region.SCRATCH, "offset": block * BURST_BYTES, "beats": 4} for block in range(40)]
    drivers = [StreamDriver(one.request_0, bursts) for one in dut.dmas]
    if dma is ReadDMA:
        others = [StreamMonitor(one.data_0, 160) for one in dut.dmas]
        served = memory.reads
    else:
        others = [StreamDriver(one.data_0, range(160)) for one in dut.dmas]
        served = memory.writes

    async def finish(ctx) -> None:
        place(ctx, dut)
        await ctx.tick().repeat(5)
        await quiet(ctx, dut)

    simulate(dut, *drivers, *others, finish, background=[served])
    cycles = memory.read_cycles if dma is ReadDMA else memory.write_cycles
    assert cycles == list(range(cycles[0], cycles[0] + 320))
    owners = [address // SIZE for address, _ in (memory.read_bursts or memory.write_bursts)]
    assert owners[2:-2] == [1 - owner for owner in owners[1:-3]]


@pytest.mark.parametrize("dma", [ReadDMA, WriteDMA])
@pytest.mark.parametrize("guilty", range(3))
def test_an_error_is_told_to_the_master_that_caused_it(dma, guilty):
    dut = Shared(dma, 3)
    memory = AXI4Memory(dut.axi, latency=(1, 9), mixed=True, faults=range(guilty * SIZE, (guilty + 1) * SIZE))
    bursts = [{"region": Region.SCRATCH, "offset": block * BURST_BYTES, "beats": 2} for block in range(4)]
    drivers = [StreamDriver(one.request_0, bursts) for one in dut.dmas]
    if dma is ReadDMA:
        drivers += [StreamMonitor(one.data_0, 8) for one in dut.dmas]
    else:
        drivers += [StreamDriver(one.data_0, range(8)) for one in dut.dmas]

    async def finish(ctx) -> None:
        place(ctx, dut)
        await ctx.tick().repeat(5)
        await quiet(ctx, dut)
        assert [ctx.get(one.error_bus) for one in dut.dmas] == [i == guilty for i in range(3)]

    simulate(dut, *drivers, finish, background=[memory.reads if dma is ReadDMA else memory.writes])


@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_merged_bursts_are_stable_and_complete(stall):
    dut = RoundRobin(CONFIG, 3)
    sent = [[{"address": 256 * (40 * i + j), "length": j} for j in range(30)] for i in range(3)]
    drivers = [StreamDriver(getattr(dut, f"i_burst_{i}"), sent[i], seed=i, gap=stall) for i in range(3)]
    monitor = StreamMonitor(dut.o_bursts, 90, stall=stall)

    async def enable(ctx) -> None:
        ctx.set(dut.enable, 1)

    simulate(dut, enable, *drivers, monitor, background=[stream_rule(dut.o_bursts)])
    owner_bits = bits_for_index(3)
    for i in range(3):
        mine = [item >> owner_bits for item in monitor.items if item & 3 == i]
        assert mine == [burst["address"] | burst["length"] << 32 for burst in sent[i]]
    if not stall:
        assert monitor.cycles == list(range(monitor.cycles[0], monitor.cycles[0] + 90))
        assert [item & 3 for item in monitor.items] == [i % 3 for i in range(90)]
