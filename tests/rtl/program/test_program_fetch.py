"""ProgramFetch, alone and in front of a ReadDMA with a memory."""

import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out, connect, flipped

from quiesce.rtl.bus.axi import AXI4ReadSignature
from quiesce.rtl.bus.interfaces import Burst
from quiesce.rtl.bus.read_dma import ReadDMA
from quiesce.rtl.program.program_fetch import ProgramFetch
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import Region
from tests.rtl.support import AXI4Memory, StreamDriver, StreamMonitor, simulate, stream_rule

BASE = 0x1000


class FetchFromBus(wiring.Component):
    """A ProgramFetch as the only client of a ReadDMA."""

    def __init__(self, config: CoreConfig):
        self.config = config
        self.fetch = ProgramFetch(config)
        self.dma = ReadDMA(config, 1)
        super().__init__({"axi": Out(AXI4ReadSignature(config.addr_width, config.data_width))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.fetch = fetch = self.fetch
        m.submodules.dma = dma = self.dma
        connect(m, fetch.request, dma.request_0)
        connect(m, dma.data_0, fetch.data)
        connect(m, dma.axi, flipped(self.axi))
        return m


def starter(fetch: ProgramFetch, prologue: int, body: int, items: int, dma: ReadDMA | None = None):
    async def start(ctx) -> None:
        if dma is not None:
            ctx.set(dma.region_base[Region.PROGRAM], BASE)
            ctx.set(dma.region_size[Region.PROGRAM], 0x8000)
        ctx.set(fetch.prologue_beats, prologue)
        ctx.set(fetch.body_beats, body)
        ctx.set(fetch.n_items, items)
        ctx.set(fetch.start, 1)
        await ctx.tick()
        ctx.set(fetch.start, 0)

    return start


LENGTHS = [(5, 7, 3), (16, 32, 2), (40, 33, 3), (0, 20, 2), (9, 0, 4), (9, 4, 0), (1, 1, 10), (0, 0, 0)]


@pytest.mark.parametrize(("prologue", "body", "items"), LENGTHS)
@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize("data_width", [64, 128])
def test_prologue_once_then_body_per_item(prologue, body, items, stall, data_width):
    dut = FetchFromBus(CoreConfig(data_width=data_width))
    memory = AXI4Memory(dut.axi, seed=1, stall=stall, latency=(1, 12))
    monitor = StreamMonitor(dut.fetch.o_beats, stall=stall, seed=2)
    beats = [*range(prologue), *(prologue + beat for _ in range(items) for beat in range(body))]

    async def finish(ctx) -> None:
        idle_cycles = 0
        while idle_cycles < 50:
            await ctx.tick()
            quiet = ctx.get(dut.dma.idle) and not ctx.get(dut.fetch.o_beats.valid)
            idle_cycles = idle_cycles + 1 if quiet else 0

    rules = [stream_rule(dut.fetch.request), stream_rule(dut.fetch.o_beats)]
    simulate(
        dut, starter(dut.fetch, prologue, body, items, dut.dma), finish,
        background=[memory.reads, monitor, *rules],
    )  # fmt: skip
    assert monitor.items == [memory.word(BASE + beat * data_width // 8) for beat in beats]
    assert sum(length for _, length in memory.read_bursts) == len(beats)


def test_requests_do_not_cross_a_burst_boundary():
    dut = ProgramFetch(CoreConfig())
    monitor = StreamMonitor(dut.request)
    data = StreamDriver(dut.data, range(5 + 2 * 40))
    simulate(dut, starter(dut, 5, 40, 2), data, StreamMonitor(dut.o_beats, 5 + 2 * 40), background=[monitor])
    bursts = [Burst.from_bits(item) for item in monitor.items]
    assert all(burst.region == Region.PROGRAM for burst in bursts)
    assert [(burst.offset // 8, burst.beats) for burst in bursts] == [(0, 5), *[(5, 11), (16, 16), (32, 13)] * 2]


@pytest.mark.parametrize(
    ("prologue", "body", "requested"),
    [(400, 0, 128), (5, 50, 5 + 2 * 50 + 11)],  # the second: the next 16 beats would exceed the buffer
)
def test_requests_only_what_has_room(prologue, body, requested):
    """With a consumer that takes nothing, the requests stop when the next one would not fit, and all data are accepted."""
    dut = ProgramFetch(CoreConfig())
    monitor = StreamMonitor(dut.request)

    async def serve(ctx) -> None:
        served = 0
        for _ in range(400):
            total = sum(Burst.from_bits(item).beats for item in monitor.items)
            assert total <= requested
            ctx.set(dut.data.valid, served < total)
            _, _, valid, ready = await ctx.tick().sample(dut.data.valid, dut.data.ready)
            served += valid and ready
        assert served == requested

    simulate(dut, starter(dut, prologue, body, 3), serve, background=[monitor])


def test_seamless_across_sections():
    """A memory without stalls feeds a consumer without stalls at one beat per cycle, across the end of the body."""
    dut = FetchFromBus(CoreConfig())
    memory = AXI4Memory(dut.axi, latency=(2, 2))
    n_beats = 37 + 5 * 45
    monitor = StreamMonitor(dut.fetch.o_beats, n_beats)
    simulate(dut, starter(dut.fetch, 37, 45, 5, dut.dma), monitor, background=[memory.reads])
    assert monitor.cycles == list(range(monitor.cycles[0], monitor.cycles[0] + n_beats))


@pytest.mark.parametrize(("prologue", "body", "items"), [(3, 2, 2), (3, 0, 0xFFFF_FFFF)])
def test_starts_again(prologue, body, items):
    dut = FetchFromBus(CoreConfig())
    memory = AXI4Memory(dut.axi, seed=3)
    monitor = StreamMonitor(dut.fetch.o_beats)
    start = starter(dut.fetch, prologue, body, items, dut.dma)

    async def twice(ctx) -> None:
        for _ in range(2):
            await start(ctx)
            await ctx.tick().repeat(60)

    simulate(dut, twice, background=[memory.reads, monitor])
    once = [0, 1, 2, 3, 4, 3, 4] if body else [0, 1, 2]
    assert monitor.items == [memory.word(BASE + 8 * beat) for beat in once * 2]
