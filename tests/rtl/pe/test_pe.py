"""The processing element against a model: every product in its accumulator, one operation per cycle."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from quiesce.rtl.pe.pe import PE
from quiesce.spec.config import CoreConfig

CONFIGS = [
    CoreConfig(n_pes=1, post_units=1, acc_depth=64, mask_depth=16, weight_depth=64, mask_width=16),
    CoreConfig(n_pes=1, post_units=1, acc_depth=64, mask_depth=16, weight_depth=64, n_lanes=4, data_width=128),
]


class Scenario:
    """Random weights in slots, and random events in random contexts."""

    def __init__(self, rng, config, slot_log2, density, n_events, weight_density):
        lanes, width = config.n_lanes, config.mask_width
        self.slot_bits = 1 << slot_log2
        n_slots = config.mask_depth * width // self.slot_bits
        weight = rng.integers(-127, 128, (n_slots * self.slot_bits, lanes))
        weight[rng.random(len(weight)) >= weight_density] = 0
        if weight_density < 1:
            weight[: self.slot_bits * 3] = 0  # some slots with nothing in them
        packed = np.flatnonzero(weight.any(axis=1))[: config.weight_depth * config.words_per_row(8)]
        weight[packed[-1] + 1 :] = 0
        self.weight, self.packed = weight, packed
        self.offset = rng.permutation(config.acc_depth)[:width]
        self.events, context = [], None
        for i in range(n_events):
            if i == 0 or rng.random() < 0.3:
                mask = int(rng.integers(1, 1 << self.slot_bits)) if rng.random() < 0.5 else (1 << self.slot_bits) - 1
                context = (mask, int(rng.integers(config.acc_depth)))
                first = 1
            else:
                first = 0
            value = int(rng.integers(-127, 128)) if rng.random() < density else 0
            self.events.append((int(rng.integers(n_slots)), value, first, context))

    def expected(self, config, op_max=False, skip_zero_values=True):
        acc = np.zeros((config.acc_depth, config.n_lanes), np.int64)
        n_operations = 0
        for slot, value, _, (mask, base) in self.events:
            for bit in range(self.slot_bits):
                weight = self.weight[slot * self.slot_bits + bit]
                if mask >> bit & 1:
                    n_operations += bool(weight.any())
                    addr = (base + self.offset[bit]) % config.acc_depth
                    if op_max:
                        acc[addr] = np.maximum(acc[addr], np.where(weight != 0, value + 128, 0))
                    else:
                        acc[addr] += value * weight
        return acc, n_operations


async def load(ctx, dut, config, scenario):
    flat, width = scenario.weight, config.mask_width
    stored = np.zeros(len(flat), bool)
    stored[scenario.packed] = True
    per_beat = config.data_width // width
    for beat in range(config.mask_depth // per_beat):
        ctx.set(dut.load.mask_en, 1)
        ctx.set(dut.load.mask_addr, beat)
        for entry in range(per_beat):
            first = (beat * per_beat + entry) * width
            mask = sum(1 << i for i, bit in enumerate(stored[first : first + width]) if bit)
            ctx.set(dut.load.mask[entry], {"mask": mask, "index": int(stored[:first].sum())})
        await ctx.tick()
    ctx.set(dut.load.mask_en, 0)
    data = flat[scenario.packed].astype(np.int8).tobytes()
    for row in range(-(-len(data) // config.beat_bytes)):
        ctx.set(dut.load.row_en, 1)
        ctx.set(dut.load.row_addr, row)
        ctx.set(dut.load.row, int.from_bytes(data[row * config.beat_bytes : (row + 1) * config.beat_bytes], "little"))
        await ctx.tick()
    ctx.set(dut.load.row_en, 0)


def simulate(config, scenario, slot_log2, *, gaps, dense=0, op_max=0, seed=0):
    dut = PE(config)
    rng = np.random.default_rng(seed)
    result = {}

    async def bench(ctx):
        await load(ctx, dut, config, scenario)
        ctx.set(dut.dense, dense)
        ctx.set(dut.op_max, op_max)
        ctx.set(dut.slot_log2, slot_log2)
        operations = cycles = 0
        pending = list(scenario.events) + [None]
        ended = False
        while not ended:
            offered = bool(pending) and not (gaps and rng.random() < 0.4)
            ctx.set(dut.i_event.valid, offered)
            if offered:
                if pending[0] is None:
                    ctx.set(dut.i_event.payload, {"slot": 0, "value": 0, "first": 0, "row_end": 1})
                else:
                    slot, value, first, (mask, base) = pending[0]
                    ctx.set(dut.i_event.payload, {"slot": slot, "value": value, "first": first, "row_end": 0})
                    ctx.set(dut.i_context, {"mask": mask, "base": base})
            _, _, ready, busy, ended = await ctx.tick().sample(dut.i_event.ready, dut.busy, dut.row_done)
            operations += busy
            cycles += 1
            if offered and ready:
                pending.pop(0)
            assert cycles < 200_000
        ctx.set(dut.i_event.valid, 0)
        acc = np.zeros((config.acc_depth, config.n_lanes), np.int64)
        for addr in range(config.acc_depth):
            ctx.set(dut.drain, 1)
            ctx.set(dut.drain_addr, addr)
            _, _, granted = await ctx.tick().sample(dut.drain_grant)
            assert granted
            ctx.set(dut.drain, 0)
            acc[addr] = [ctx.get(dut.drained[lane]) for lane in range(config.n_lanes)]
            await ctx.tick()
        assert ctx.get(dut.idle)
        result.update(acc=acc, operations=operations, cycles=cycles)

    async def table(ctx):
        async for (position,) in ctx.changed(dut.position):
            ctx.set(dut.offset, int(scenario.offset[position]))

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_process(table)
    sim.add_testbench(bench)
    sim.run()
    return result


@pytest.mark.parametrize("config", CONFIGS, ids=["one-lane", "four-lanes"])
@pytest.mark.parametrize("slot_log2", [0, 2, 4])
@pytest.mark.parametrize("gaps", [False, True])
def test_products_reach_their_accumulators(config, slot_log2, gaps):
    scenario = Scenario(np.random.default_rng(slot_log2), config, slot_log2, 0.9, 120, 0.5)
    result = simulate(config, scenario, slot_log2, gaps=gaps)
    acc, operations = scenario.expected(config)
    np.testing.assert_array_equal(result["acc"], acc)
    assert result["operations"] == operations


def test_dense_mode_visits_every_position_and_changes_nothing():
    config, slot_log2 = CONFIGS[0], 3
    scenario = Scenario(np.random.default_rng(7), config, slot_log2, 0.5, 100, 0.4)
    result = simulate(config, scenario, slot_log2, gaps=False, dense=1)
    np.testing.assert_array_equal(result["acc"], scenario.expected(config)[0])
    assert result["operations"] == sum(mask.bit_count() for _, _, _, (mask, _) in scenario.events)


def test_maximum():
    config, slot_log2 = CONFIGS[0], 3
    scenario = Scenario(np.random.default_rng(8), config, slot_log2, 0.5, 100, 0.4)
    result = simulate(config, scenario, slot_log2, gaps=True, op_max=1)
    np.testing.assert_array_equal(result["acc"], scenario.expected(config, op_max=True)[0])


def test_one_operation_per_cycle():
    config, slot_log2 = CONFIGS[0], 3
    scenario = Scenario(np.random.default_rng(9), config, slot_log2, 1.0, 150, 1.0)
    scenario.events = [event for event in scenario.events if event[0] < len(scenario.packed) // scenario.slot_bits]
    scenario.events[0] = (*scenario.events[0][:2], 1, scenario.events[0][3])
    result = simulate(config, scenario, slot_log2, gaps=False)
    assert result["operations"] > 300
    assert result["cycles"] <= result["operations"] + 9 + config.psum_depth  # the pipeline's length, and the held sums at its end
