"""The array of a plain core against a model: every product in its accumulator, one operation of all PEs per cycle."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from quiesce.rtl.plain.plain_array import PlainArray
from quiesce.spec.config import CoreConfig

CONFIGS = [
    CoreConfig(n_pes=2, post_units=1, acc_depth=64, weight_depth=64, mask_width=16, zero_skipping=0),
    CoreConfig(n_pes=2, post_units=1, acc_depth=64, weight_depth=64, mask_width=16, n_lanes=4, data_width=128, zero_skipping=0),
]
SLOT_BASE = 5


class Scenario:
    """Random weights in slots of ``n_positions``, and random events, each with its context."""

    def __init__(self, config, n_positions, n_events, *, targeted=False, full=False, seed=0):
        rng = np.random.default_rng(seed)
        self.config, self.n_positions, self.targeted = config, n_positions, targeted
        self.n_slots = (config.weight_depth * config.words_per_row(8) - SLOT_BASE) // n_positions
        self.words = rng.integers(-127, 128, (config.n_pes, config.weight_depth * config.words_per_row(8), config.n_lanes))
        self.words[rng.random(self.words.shape) < 0.2] = 0
        self.offset = rng.permutation(config.acc_depth)[: config.mask_width]
        self.partial, self.n_last_pes = 0b101, 1
        every = (1 << n_positions) - 1
        self.events = [
            {
                "slot": int(rng.integers(self.n_slots)), "value": int(rng.integers(-127, 128)),
                "mask": every if full else int(rng.integers(1, every + 1)), "base": int(rng.integers(config.acc_depth)),
                "last_group": int(rng.random() < 0.3), "pe": int(rng.integers(config.n_pes)),
            }
            for _ in range(n_events)
        ]  # fmt: skip

    def expected(self, op_max):
        """Accumulators, and operations of PEs."""
        acc, busy = np.zeros((self.config.acc_depth, self.config.n_pes, self.config.n_lanes), np.int64), 0
        for event in self.events:
            for position in range(self.n_positions):
                for pe in range(self.config.n_pes):
                    absent = event["last_group"] and pe >= self.n_last_pes and not self.partial >> position & 1
                    if not event["mask"] >> position & 1 or absent or (self.targeted and pe != event["pe"]):
                        continue
                    busy += 1
                    weight = self.words[pe, SLOT_BASE + event["slot"] * self.n_positions + position]
                    addr = (event["base"] + self.offset[position]) % self.config.acc_depth
                    if op_max:
                        acc[addr, pe] = np.maximum(acc[addr, pe], np.where(weight != 0, event["value"] + 128, 0))
                    else:
                        acc[addr, pe] += event["value"] * weight
        return acc, busy


async def prepare(ctx, dut, scenario, op_max):
    config = scenario.config
    fields = {
        "op_max": op_max, "n_positions": scenario.n_positions, "slot_base": SLOT_BASE, "n_last_pes": scenario.n_last_pes,
        "partial_mask": scenario.partial, "targeted": scenario.targeted,
    }  # fmt: skip
    for name, value in fields.items():
        ctx.set(dut.config[name], int(value))
    for position, offset in enumerate(scenario.offset):
        ctx.set(dut.offset[position], int(offset))
    for pe in range(config.n_pes):
        data = scenario.words[pe].astype(np.int8).tobytes()
        for row in range(config.weight_depth):
            ctx.set(dut.load_pe, pe)
            ctx.set(dut.load.row_en, 1)
            ctx.set(dut.load.row_addr, row)
            ctx.set(dut.load.row, int.from_bytes(data[row * config.beat_bytes :][: config.beat_bytes], "little"))
            await ctx.tick()
    ctx.set(dut.load.row_en, 0)


def simulate(scenario, *, gaps=False, op_max=False):
    """Accumulators, operations of PEs, and cycles from the first event to the end of the row."""
    config, rng, found = scenario.config, np.random.default_rng(1), {}
    dut = PlainArray(config)

    async def bench(ctx):
        await prepare(ctx, dut, scenario, op_max)
        busy = cycles = 0
        pending, ended = [*scenario.events, None], False
        while not ended:
            offered = bool(pending) and not (gaps and rng.random() < 0.4)
            ctx.set(dut.i_events.valid, offered)
            if offered:
                event = pending[0] or {"slot": 0, "value": 0, "mask": 0, "base": 0, "last_group": 0, "pe": 0}
                ctx.set(dut.i_events.payload, {
                    "event": {"slot": event["slot"], "value": event["value"], "first": 0, "row_end": pending[0] is None},
                    "context": {"mask": event["mask"], "base": event["base"]},
                    "last_group": event["last_group"], "pe": event["pe"],
                })  # fmt: skip
            ports = (dut.i_events.ready, dut.activity.busy, dut.row_done)
            _, _, ready, operations, ended = await ctx.tick().sample(*ports)
            busy, cycles = busy + operations, cycles + 1
            if offered and ready:
                pending.pop(0)
            assert cycles < 20_000
        ctx.set(dut.i_events.valid, 0)
        assert ctx.get(dut.idle)
        acc = np.zeros((config.acc_depth, config.lanes), np.int64)
        for addr in range(config.acc_depth):
            ctx.set(dut.drain, (1 << config.n_pes) - 1)
            ctx.set(dut.drain_addr, addr)
            _, _, granted = await ctx.tick().sample(dut.drain_grant)
            assert granted == (1 << config.n_pes) - 1
            ctx.set(dut.drain, 0)
            acc[addr] = [ctx.get(dut.drained[lane]) for lane in range(config.lanes)]
            await ctx.tick()
        found.update(acc=acc.reshape(-1, config.n_pes, config.n_lanes), busy=busy, cycles=cycles)

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return found


@pytest.mark.parametrize("config", CONFIGS, ids=["one-lane", "four-lanes"])
@pytest.mark.parametrize("n_positions", [1, 3, 9])
@pytest.mark.parametrize("targeted", [False, True], ids=["broadcast", "targeted"])
def test_products_reach_their_accumulators(config, n_positions, targeted):
    scenario = Scenario(config, n_positions, 60, targeted=targeted, seed=n_positions)
    found = simulate(scenario, gaps=True)
    acc, busy = scenario.expected(False)
    np.testing.assert_array_equal(found["acc"], acc)
    assert found["busy"] == busy


def test_maximum():
    scenario = Scenario(CONFIGS[0], 4, 60, targeted=True, seed=8)
    np.testing.assert_array_equal(simulate(scenario, op_max=True)["acc"], scenario.expected(True)[0])


@pytest.mark.parametrize("n_positions", [1, 5])
def test_one_operation_per_cycle(n_positions):
    scenario = Scenario(CONFIGS[0], n_positions, 80, full=True, seed=9)
    found = simulate(scenario)
    assert found["cycles"] <= n_positions * len(scenario.events) + 9 + CONFIGS[0].psum_depth
