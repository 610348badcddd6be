"""CSR against isa.Register through AXI4-Lite transactions with random order and back-pressure."""

from random import Random

import pytest
from support import simulate, stream_rule, wait_until

from quiesce.rtl.csr import CSR
from quiesce.sw.config import CoreConfig, preset
from quiesce.sw.isa import CORE_ID, Control, ErrorCode, Region, Register, Status

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


class Master:
    """AXI4-Lite master with a random delay before every handshake."""

    def __init__(self, axi, seed: int = 0, delay: int = 3):
        self.axi = axi
        self.rng = Random(seed)
        self.delay = delay

    async def write(self, ctx, address: int, value: int, strobes: int = 0xF) -> int:
        """Write and return the response."""
        axi = self.axi
        ctx.set(axi.awaddr, address)
        ctx.set(axi.wdata, value)
        ctx.set(axi.wstrb, strobes)
        wait = {name: self.rng.randint(0, self.delay) for name in ("aw", "w", "b")}
        valid = {"aw": axi.awvalid, "w": axi.wvalid}
        ready = {"aw": axi.awready, "w": axi.wready}
        pending = {"aw", "w"}
        cycle = 0
        while True:
            for channel in ("aw", "w"):
                ctx.set(valid[channel], channel in pending and cycle >= wait[channel])
            ctx.set(axi.bready, cycle >= wait["b"])
            values = await ctx.tick().sample(
                valid["aw"], ready["aw"], valid["w"], ready["w"], axi.bvalid, axi.bready, axi.bresp
            )  # fmt: skip
            aw_valid, aw_ready, w_valid, w_ready, b_valid, b_ready, response = values[2:]
            pending -= {name for name, done in (("aw", aw_valid and aw_ready), ("w", w_valid and w_ready)) if done}
            if b_valid and b_ready:
                assert not pending, "response before the address and the data"
                ctx.set(axi.bready, 0)
                return response
            cycle += 1
            assert cycle < 50, "no response"

    async def read(self, ctx, address: int) -> tuple[int, int]:
        """Read and return the data and the response."""
        axi = self.axi
        await self._pause(ctx)
        ctx.set(axi.araddr, address)
        ctx.set(axi.arvalid, 1)
        await wait_until(ctx, axi.arready)
        ctx.set(axi.arvalid, 0)
        await self._pause(ctx)
        ctx.set(axi.rready, 1)
        for _ in range(50):
            _, _, valid, data, response = await ctx.tick().sample(axi.rvalid, axi.rdata, axi.rresp)
            if valid:
                ctx.set(axi.rready, 0)
                return data, response
        raise AssertionError("no response")

    async def _pause(self, ctx) -> None:
        for _ in range(self.rng.randint(0, self.delay)):
            await ctx.tick()

    async def get(self, ctx, address: int) -> int:
        data, response = await self.read(ctx, address)
        assert response == 0
        return data

    async def put(self, ctx, address: int, value: int) -> None:
        assert await self.write(ctx, address, value) == 0


def run(test, config: CoreConfig | None = None, seed: int = 0, delay: int = 3) -> None:
    """Simulate ``test(ctx, dut, master)`` on a CSR."""
    dut = CSR(config or CoreConfig())
    master = Master(dut.axi, seed, delay)

    async def testbench(ctx) -> None:
        await test(ctx, dut, master)

    simulate(dut, testbench, background=[_response_rule(dut.axi.bvalid, dut.axi.bready, dut.axi.bresp)])


def _response_rule(valid, ready, payload):
    class Channel:
        pass

    channel = Channel()
    channel.valid, channel.ready, channel.payload = valid, ready, payload
    return stream_rule(channel)


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
        assert ctx.get(dut.n_items) == model[Register.N_ITEMS]
        assert ctx.get(dut.watchdog) == model[Register.WATCHDOG]
        assert ctx.get(dut.prologue_beats) == model[Register.PROLOGUE_BEATS]
        assert ctx.get(dut.body_beats) == model[Register.BODY_BEATS]
        assert ctx.get(dut.input_stride) == model[Register.INPUT_STRIDE]
        assert ctx.get(dut.output_stride) == model[Register.OUTPUT_STRIDE]
        assert ctx.get(dut.dense) == model[Register.MODE]
        for region in Region:
            assert ctx.get(dut.region_base[region]) == model[Register.BASE + 8 * region]
            assert ctx.get(dut.region_size[region]) == model[Register.SIZE + 8 * region]

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


@pytest.mark.parametrize("address", [0x48, 0x5C, 0x80, 0x100, 0xFFC])
def test_unmapped_address_is_refused(address):
    async def test(ctx, dut, master) -> None:
        assert await master.write(ctx, address, 0xFFFF_FFFF) == 2
        assert await master.read(ctx, address) == (0, 2)
        assert await master.get(ctx, Register.N_ITEMS) == 0

    run(test)


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
        ctx.set(dut.items_done, 77)
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


@pytest.mark.parametrize("delay", [0, 4])
def test_counter_is_read_whole_after_it_settles(delay):
    """The counters answer two cycles late and count on while they are read."""
    dut = CSR(CoreConfig())
    master = Master(dut.axi, delay=delay)
    presented: dict[int, list[int]] = {}

    async def counters(ctx) -> None:
        history = [0, 0]
        cycle = 0
        while True:
            _, _, select = await ctx.tick().sample(dut.counter_select)
            history = [*history[-1:], select]
            cycle += 1
            value = (history[0] << 32) + 0xFFFF_FF00 + 16 * cycle
            ctx.set(dut.counter_value, value)
            presented.setdefault(history[0], []).append(value)

    async def test(ctx) -> None:
        for select in (3, 0x21F, 7, 0):
            await master.put(ctx, Register.COUNTER_SELECT, select)
            low = await master.get(ctx, Register.COUNTER_LOW)
            high = await master.get(ctx, Register.COUNTER_HIGH)
            assert high << 32 | low in presented[select]

    simulate(dut, test, background=[counters])


def test_concurrent_reads_and_writes_at_full_rate():
    """Two cycles per transfer, in both directions at once, with a master that is always ready."""
    dut = CSR(CoreConfig())
    axi = dut.axi
    counts = {"writes": 0, "reads": 0}

    async def test(ctx) -> None:
        for signal in (axi.awvalid, axi.wvalid, axi.bready, axi.arvalid, axi.rready):
            ctx.set(signal, 1)
        ctx.set(axi.awaddr, Register.N_ITEMS)
        ctx.set(axi.wstrb, 0xF)
        for _ in range(40):
            _, _, written, read = await ctx.tick().sample(axi.bvalid, axi.rvalid)
            counts["writes"] += written
            counts["reads"] += read

    simulate(dut, test)
    assert counts["writes"] >= 19 and counts["reads"] >= 19
