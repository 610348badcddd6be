"""CSR against registers.Register through AXI4-Lite transactions with random order and back-pressure."""

from random import Random

import pytest

from quiesce.rtl.csr import CSR
from quiesce.spec.config import CoreConfig, preset
from quiesce.spec.isa import Region
from quiesce.spec.registers import CORE_ID, Control, ErrorCode, Register, Status
from tests.rtl.axi_lite import Master, channel
from tests.rtl.support import StreamDriver, StreamMonitor, simulate, stream_rule, wait_until

CONFIGURATION = {
    Register.IRQ_ENABLE: 0x3,
    Register.MODE: 0x1,
    Register.N_ITEMS: 0xFFFF_FFFF,
    Register.WATCHDOG: 0xFFFF_FFFF,
    Register.PROLOGUE_BEATS: 0xFFFF_FFFF,
    Register.BODY_BEATS: 0xFFFF_FFFF,
    Register.INPUT_STRIDE: 0xFFFF_FFFF,
    Register.OUTPUT_STRIDE: 0xFFFF_FFFF,
    Register.COUNTER_SELECT: 0xFFFF,
    **{Register.BASE + 8 * region: 0xFFFF_FFFF for region in Region},
    **{Register.SIZE + 8 * region: 0xFFFF_FFFF for region in Region},
}
"""Address and implemented bits of the registers that keep what is written."""


def run(test, config: CoreConfig | None = None, seed: int = 0, delay: int = 3) -> None:
    """Simulate ``test(ctx, dut, master)`` on a CSR."""
    dut = CSR(config or CoreConfig())
    master = Master(dut.axi, seed, delay)

    async def testbench(ctx) -> None:
        await test(ctx, dut, master)

    simulate(dut, testbench)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("delay", [0, 5])
def test_configuration_keeps_what_is_written(seed, delay):
    rng = Random(seed)

    async def test(ctx, dut, master) -> None:
        model = dict.fromkeys(CONFIGURATION, 0)
        for _ in range(60):
            address = rng.choice(list(CONFIGURATION))
            value, strobes = rng.getrandbits(32), rng.getrandbits(4)
            mask = sum(0xFF << 8 * lane for lane in range(4) if strobes >> lane & 1) & CONFIGURATION[address]
            assert await master.write(ctx, address, value, strobes) == 0
            model[address] = model[address] & ~mask | value & mask
        for address, value in model.items():
            assert await master.get(ctx, address) == value
        assert ctx.get(dut.registers.n_items) == model[Register.N_ITEMS]
        assert ctx.get(dut.watchdog) == model[Register.WATCHDOG]
        assert ctx.get(dut.registers.prologue_beats) == model[Register.PROLOGUE_BEATS]
        assert ctx.get(dut.registers.body_beats) == model[Register.BODY_BEATS]
        assert ctx.get(dut.registers.input_stride) == model[Register.INPUT_STRIDE]
        assert ctx.get(dut.registers.output_stride) == model[Register.OUTPUT_STRIDE]
        assert ctx.get(dut.registers.dense) == model[Register.MODE]
        for region in Region:
            assert ctx.get(dut.registers.region_base[region]) == model[Register.BASE + 8 * region]
            assert ctx.get(dut.registers.region_size[region]) == model[Register.SIZE + 8 * region]

    run(test, seed=seed, delay=delay)


@pytest.mark.parametrize("name", ["tiny", "base", "wide"])
def test_identity_and_configuration(name):
    config = preset(name)

    async def test(ctx, dut, master) -> None:
        assert await master.get(ctx, Register.ID) == CORE_ID
        value = (await master.get(ctx, Register.CONFIG)).to_bytes(4, "little")
        assert list(value) == [config.n_pes, config.n_lanes, config.data_width // 8, config.detector_width]
        await master.put(ctx, Register.ID, 0)
        assert await master.get(ctx, Register.ID) == CORE_ID

    run(test, config)


@pytest.mark.parametrize("address", [0x4C, 0x5C, 0x80, 0x100, 0xFFC])
def test_unmapped_address_is_refused(address):
    async def test(ctx, dut, master) -> None:
        assert await master.write(ctx, address, 0xFFFF_FFFF) == 2
        assert await master.read(ctx, address) == (0, 2)
        assert await master.get(ctx, Register.N_ITEMS) == 0

    run(test)


def test_streams_have_registers():
    async def test(ctx, dut, master) -> None:
        await master.put(ctx, Register.STREAM, 1)
        await master.put(ctx, Register.DELTA_THRESHOLD, 0x1FE)
        assert ctx.get(dut.registers.continues) == 1
        assert ctx.get(dut.registers.delta_threshold) == 0xFE
        assert await master.get(ctx, Register.DELTA_THRESHOLD) == 0xFE

    run(test, preset("tiny", state_depth=64))


def pulses(signal, seen: list[int]):
    """A background test bench that appends the length of every pulse of ``signal`` to ``seen``."""

    async def watch(ctx) -> None:
        before = 0
        while True:
            _, _, now = await ctx.tick().sample(signal)
            if now and before:
                seen[-1] += 1
            elif now:
                seen.append(1)
            before = now

    return watch


def test_start_done_and_interrupt():
    dut = CSR(CoreConfig())
    master = Master(dut.axi)
    starts: list[int] = []

    async def test(ctx) -> None:
        await master.put(ctx, Register.CONTROL, 1 << Control.START)
        await ctx.tick().repeat(2)
        assert starts == [1]
        ctx.set(dut.busy, 1)
        ctx.set(dut.registers.items_done, 77)
        assert await master.get(ctx, Register.STATUS) == 1 << Status.BUSY
        assert await master.get(ctx, Register.ITEMS_DONE) == 77
        await master.put(ctx, Register.CONTROL, 1 << Control.START)
        await ctx.tick().repeat(2)
        assert starts == [1]  # ignored while busy
        ctx.set(dut.busy, 0)
        ctx.set(dut.done, 1)
        await ctx.tick()
        ctx.set(dut.done, 0)
        assert await master.get(ctx, Register.STATUS) == 1 << Status.DONE
        assert await master.get(ctx, Register.IRQ_STATUS) == 1
        assert not ctx.get(dut.irq)
        await master.put(ctx, Register.IRQ_ENABLE, 1)
        assert ctx.get(dut.irq)
        await master.put(ctx, Register.IRQ_STATUS, 2)  # another bit
        assert ctx.get(dut.irq)
        await master.put(ctx, Register.IRQ_STATUS, 1)
        assert not ctx.get(dut.irq)
        assert await master.get(ctx, Register.STATUS) == 1 << Status.DONE
        await master.put(ctx, Register.CONTROL, 1 << Control.START)
        assert await master.get(ctx, Register.STATUS) == 0
        assert starts == [1, 1]

    simulate(dut, test, background=[pulses(dut.start, starts)])


def test_error_is_sticky_until_reset():
    dut = CSR(CoreConfig())
    master = Master(dut.axi, seed=1)
    starts: list[int] = []
    resets: list[int] = []

    async def test(ctx) -> None:
        await master.put(ctx, Register.IRQ_ENABLE, 2)
        await master.put(ctx, Register.N_ITEMS, 5)
        ctx.set(dut.error, ErrorCode.BOUNDS)
        await ctx.tick()
        ctx.set(dut.error, ErrorCode.NONE)
        await ctx.tick()
        ctx.set(dut.error, ErrorCode.WATCHDOG)  # a consequence must not hide the cause
        assert await master.get(ctx, Register.ERROR) == ErrorCode.BOUNDS
        assert await master.get(ctx, Register.STATUS) == 1 << Status.ERROR
        assert await master.get(ctx, Register.IRQ_STATUS) == 2
        assert ctx.get(dut.irq)
        await master.put(ctx, Register.IRQ_STATUS, 2)
        assert not ctx.get(dut.irq)
        assert await master.get(ctx, Register.ERROR) == ErrorCode.BOUNDS
        await master.put(ctx, Register.CONTROL, 1 << Control.START)
        await master.put(ctx, Register.CONTROL, 1 << Control.START | 1 << Control.RESET)
        await ctx.tick().repeat(3)
        assert (starts, resets) == ([], [1])
        # The level stays until the core is reset; it must not count as a new error.
        assert await master.get(ctx, Register.ERROR) == ErrorCode.NONE
        assert await master.get(ctx, Register.STATUS) == 0
        ctx.set(dut.error, ErrorCode.NONE)
        assert await master.get(ctx, Register.N_ITEMS) == 5
        await ctx.tick()
        ctx.set(dut.error, ErrorCode.BUS_READ)
        assert await master.get(ctx, Register.ERROR) == ErrorCode.BUS_READ

    simulate(dut, test, background=[pulses(dut.start, starts), pulses(dut.soft_reset, resets)])


def slow_counters(dut, presented: dict[int, list[int]]):
    """Counters that answer two cycles after the selection and count on while they are read."""

    async def answer(ctx) -> None:
        before = 0
        cycle = 0
        while True:
            _, _, select = await ctx.tick().sample(dut.registers.counter_select)
            value = (before << 32) + 0xFFFF_FF00 + 16 * cycle
            ctx.set(dut.registers.counter_value, value)
            presented.setdefault(before, []).append(value)
            before = select
            cycle += 1

    return answer


@pytest.mark.parametrize("delay", [0, 4])
def test_counter_is_read_whole(delay):
    dut = CSR(CoreConfig())
    master = Master(dut.axi, delay=delay)
    presented: dict[int, list[int]] = {}

    async def test(ctx) -> None:
        for select in (3, 0x21F, 7, 0):
            await master.put(ctx, Register.COUNTER_SELECT, select)
            low = await master.get(ctx, Register.COUNTER_LOW)
            high = await master.get(ctx, Register.COUNTER_HIGH)
            assert high << 32 | low in presented[select]

    simulate(dut, test, background=[slow_counters(dut, presented)])


def test_counter_settles_before_a_read_that_follows_its_selection():
    """A read accepted in the very cycle of the write's response sees the counter selected."""
    dut = CSR(CoreConfig())
    axi = dut.axi
    presented: dict[int, list[int]] = {}

    async def test(ctx) -> None:
        ctx.set(axi.awaddr, Register.COUNTER_SELECT)
        ctx.set(axi.wdata, 5)
        ctx.set(axi.araddr, Register.COUNTER_LOW)
        for signal, value in ((axi.wstrb, 0xF), (axi.awvalid, 1), (axi.wvalid, 1), (axi.bready, 1), (axi.rready, 1)):
            ctx.set(signal, value)
        await ctx.tick()
        ctx.set(axi.awvalid, 0)
        ctx.set(axi.wvalid, 0)
        await ctx.tick()
        assert ctx.get(axi.bvalid)
        ctx.set(axi.arvalid, 1)
        await wait_until(ctx, axi.arready, 1)
        ctx.set(axi.arvalid, 0)
        await wait_until(ctx, axi.rvalid, 10)

    reads = StreamMonitor(channel(axi, "r", "data", "resp"))
    simulate(dut, test, background=[reads, slow_counters(dut, presented)])
    assert reads.items[0] in [value & 0xFFFF_FFFF for value in presented[5]]


@pytest.mark.parametrize("seed", range(3))
def test_every_transfer_is_answered_in_order(seed):
    """Addresses and data that do not wait for responses, responses that wait for the master."""
    dut = CSR(CoreConfig())
    axi = dut.axi
    rng = Random(seed)
    responses = {Register.N_ITEMS: 0, Register.WATCHDOG: 0, 0x4C: 2, 0xFF0: 2}
    written = [rng.choice(list(responses)) for _ in range(50)]
    values = [rng.getrandbits(32) for _ in written]
    read = [rng.choice([Register.ID, 0x4C, Register.INPUT_STRIDE]) for _ in range(50)]
    b, r = channel(axi, "b", "resp"), channel(axi, "r", "data", "resp")
    answers, results = StreamMonitor(b, 50, seed=seed, stall=0.6), StreamMonitor(r, 50, seed=seed + 1, stall=0.6)

    simulate(
        dut,
        StreamDriver(channel(axi, "aw", "addr"), written, seed=seed, gap=0.3),
        StreamDriver(channel(axi, "w", "data", "strb"), [0xF << 32 | value for value in values], seed=seed + 2, gap=0.3),
        StreamDriver(channel(axi, "ar", "addr"), read, seed=seed + 3, gap=0.3),
        answers,
        results,
        background=[stream_rule(b), stream_rule(r)],
    )
    assert answers.items == [responses[address] for address in written]
    assert results.items == [{Register.ID: CORE_ID, 0x4C: 2 << 32, Register.INPUT_STRIDE: 0}[address] for address in read]


def test_full_rate_in_both_directions():
    """A transfer takes two cycles when the master is always ready."""
    dut = CSR(CoreConfig())
    axi = dut.axi
    answers, results = StreamMonitor(channel(axi, "b", "resp"), 20), StreamMonitor(channel(axi, "r", "data"), 20)
    simulate(
        dut,
        StreamDriver(channel(axi, "aw", "addr"), [Register.N_ITEMS] * 20),
        StreamDriver(channel(axi, "w", "data"), range(20)),
        StreamDriver(channel(axi, "ar", "addr"), [Register.N_ITEMS] * 20),
        answers,
        results,
    )
    assert answers.cycles == results.cycles == list(range(2, 42, 2))
