"""Whole cores against the integer reference, and what they do when something is wrong."""

from dataclasses import replace

import numpy as np
import pytest

from quiesce.spec.config import preset
from quiesce.spec.isa import Region
from quiesce.spec.performance import Counter
from quiesce.spec.registers import ErrorCode, Register
from quiesce.sw import reference
from quiesce.sw.compiler import compile_network
from quiesce.sw.format.ops import MAXPOOL
from tests.networks import conv, inputs, linear, network, pool
from tests.programs import seal
from tests.rtl.core_bench import Machine
from tests.rtl.support import simulate

TINY = preset("tiny", n_pes=2, acc_depth=64, mask_depth=32, weight_depth=32, acc_width=26, param_depth=64, max_layers=8)
STREAMING = replace(TINY, weight_depth=8, mask_depth=16)
CHECKED = replace(TINY, record_check=1, post_units=2)
BLOCKS = replace(TINY, n_lanes=2, data_width=128, detector_width=64, post_units=4, mask_width=16)


def small_network():
    rng = np.random.default_rng(3)
    layers = [
        conv(rng, "c", "input", 2, 5, (3, 3), stride=(2, 1), pad=(1, 1, 0, 2), density=0.6),
        pool(MAXPOOL, "p", "c", 5, (2, 2), stride=(1, 2)),
        linear(rng, "f", "p", 2 * 2 * 5, 7),
    ]
    return network(layers, (5, 4, 2))


@pytest.mark.parametrize("config", [TINY, BLOCKS, CHECKED], ids=["tiny", "blocks", "checked"])
@pytest.mark.parametrize("dense", [False, True], ids=["sparse", "dense"])
def test_outputs_and_counters_equal_the_reference(config, dense):
    net = small_network()
    x = inputs(np.random.default_rng(4), net, 2, 0.5)
    golden = reference.run(net, x)
    program = compile_network(net, config)
    outputs, counters = Machine(program, dense=dense, stall=0.2, seed=5).run(x)
    np.testing.assert_array_equal(outputs, golden.outputs)
    for plan in program.layers:
        counts = golden.counts[plan.name]
        assert counters[plan.name, Counter.EFFECTUAL_MACS] == counts.effectual_macs.sum()
        assert counters[plan.name, Counter.EVENTS] == counts.events.sum() * plan.event_visits
        busy = counters[plan.name, Counter.MACS]
        idle = sum(counters[plan.name, counter] for counter in Counter if counter.name.startswith("IDLE_"))
        assert busy + idle == config.lanes * counters[plan.name, Counter.CYCLES]
        assert busy >= counts.effectual_macs.sum()


@pytest.mark.parametrize("config", [TINY, STREAMING], ids=["tiny", "streaming"])
@pytest.mark.parametrize(("latency", "write_latency"), [((1, 1), (250, 300)), ((150, 200), (1, 1)), ((1, 1), (1, 1))])
def test_passes_overlap_safely(config, latency, write_latency):
    """Nothing is read before its write was answered, which the memory checks, and what streams in meanwhile harms nobody."""
    net = small_network()
    x = inputs(np.random.default_rng(8), net, 3, 0.5)
    program = compile_network(net, config)
    assert program.resident == (config is TINY)
    outputs, _ = Machine(program, seed=7, latency=latency, write_latency=write_latency).run(x)
    np.testing.assert_array_equal(outputs, reference.run(net, x).outputs)


class Faulty(Machine):
    """Expects an error, then resets the core and runs the program again without the fault."""

    def expect(self, error, inputs, repair):
        regions = self.place(inputs)
        outputs = []

        async def bench(ctx):
            await self.prepare(ctx, regions, len(inputs))
            await self.host.write(ctx, Register.CONTROL, 1)
            while not ctx.get(self.core.irq):
                await ctx.tick()
            code, _ = await self.host.read(ctx, Register.ERROR)
            assert ErrorCode(code) is error
            assert (await self.host.read(ctx, Register.STATUS))[0] == 4
            await self.host.write(ctx, Register.CONTROL, 2)
            await self.host.write(ctx, Register.IRQ_STATUS, 3)
            while (await self.host.read(ctx, Register.STATUS))[0]:
                pass
            repair()
            await self.configure(ctx, regions, len(inputs))
            await self.host.write(ctx, Register.CONTROL, 1)
            while not ctx.get(self.core.irq):
                await ctx.tick()
            assert (await self.host.read(ctx, Register.STATUS))[0] == 2
            base, size = regions[Region.OUTPUT]
            outputs.append(self.program.decode_outputs(bytes(self.memory.data[base : base + size]), len(inputs)))

        simulate(self.core, bench, background=[self.memory.reads, self.memory.writes], limit=40_000)
        np.testing.assert_array_equal(outputs[0], reference.run(small_network(), inputs).outputs)

    async def prepare(self, ctx, regions, n_items):
        await self.configure(ctx, regions, n_items)


@pytest.fixture
def x():
    return inputs(np.random.default_rng(6), small_network(), 1, 0.5)


@pytest.mark.parametrize(("sealed", "error"), [(False, ErrorCode.PROGRAM_CHECK), (True, ErrorCode.BAD_PACKET)])
def test_corrupt_packet(x, sealed, error):
    program = compile_network(small_network(), TINY)
    machine = Faulty(program)
    place = machine.place
    image = b"\x0f" + program.image[1:]  # the first packet's opcode
    cut = program.prologue_beats * TINY.beat_bytes

    def corrupt(inputs):
        regions = place(inputs)
        base, size = regions[Region.PROGRAM]
        machine.memory.data[base : base + size] = seal(image[:cut], TINY) + image[cut:] if sealed else image
        return regions

    machine.place = corrupt
    machine.expect(error, x, lambda: place(x))


def test_damaged_record(x):
    machine = Faulty(compile_network(small_network(), CHECKED))
    place = machine.place

    def corrupt(inputs):
        regions = place(inputs)
        machine.memory.data[regions[Region.INPUT][0]] ^= 1
        return regions

    machine.place = corrupt
    machine.expect(ErrorCode.RECORD_CHECK, x, lambda: place(x))


def test_program_beyond_its_region(x):
    machine = Faulty(compile_network(small_network(), TINY))

    async def prepare(ctx, regions, n_items):
        await machine.configure(ctx, regions, n_items)
        await machine.host.write(ctx, Register.SIZE + 8 * Region.SCRATCH, 64)

    machine.prepare = prepare
    machine.expect(ErrorCode.BOUNDS, x, lambda: None)


@pytest.mark.parametrize(
    ("region", "error"),
    [
        (Region.PROGRAM, ErrorCode.BUS_READ), (Region.INPUT, ErrorCode.BUS_READ), (Region.OUTPUT, ErrorCode.BUS_WRITE),
    ],
)  # fmt: skip
def test_bus_error(x, region, error):
    machine = Faulty(compile_network(small_network(), TINY))
    regions = machine.place(x)
    base, size = regions[region]
    machine.memory.faults = range(base, base + size)

    def repair():
        machine.memory.faults = range(0)

    machine.expect(error, x, repair)


def test_watchdog(x):
    machine = Faulty(compile_network(small_network(), TINY))

    async def prepare(ctx, regions, n_items):
        await machine.configure(ctx, regions, n_items)
        await machine.host.write(ctx, Register.BODY_BEATS, machine.program.body_beats - 1)  # the end never comes
        await machine.host.write(ctx, Register.WATCHDOG, 3000)

    machine.prepare = prepare
    machine.expect(ErrorCode.WATCHDOG, x, lambda: None)
