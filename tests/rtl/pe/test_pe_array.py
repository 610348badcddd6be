"""Events reach the PEs that own a channel of them, each with its own weights; a row ends when all PEs are through."""

import numpy as np
import pytest

from quiesce.rtl.pe.pe_array import PEArray
from quiesce.spec.config import preset
from tests.rtl.support import StreamDriver, simulate, wait_until

CONFIG = preset("tiny", n_pes=3, post_units=1, acc_depth=32, mask_width=16, mask_depth=16, weight_depth=32, psum_depth=8)
SLOT_LOG2 = 2  # positions of an event
N_POSITIONS = 1 << SLOT_LOG2
N_LAST_PES, PARTIAL = 1, 0b0011


class Scenario:
    """Random weights of each PE and random events, each in a context of its own."""

    def __init__(self, rng: np.random.Generator, targeted: bool, n_events: int):
        self.targeted, n_weights = targeted, CONFIG.mask_depth * CONFIG.mask_width
        self.weights = rng.integers(-127, 128, (CONFIG.n_pes, n_weights))
        self.weights[rng.random(self.weights.shape) < 0.4] = 0
        self.offset = rng.permutation(CONFIG.acc_depth)[:N_POSITIONS]
        self.events = [
            {
                "slot": int(rng.integers(n_weights // N_POSITIONS)), "value": int(rng.integers(-127, 128)),
                "mask": int(rng.integers(1, 1 << N_POSITIONS)), "base": int(rng.integers(CONFIG.acc_depth)),
                "last_group": int(rng.random() < 0.3), "pe": int(rng.integers(CONFIG.n_pes)),
            }
            for _ in range(n_events)
        ]  # fmt: skip

    def expected(self) -> np.ndarray:
        """Accumulators (address, PE)."""
        acc = np.zeros((CONFIG.acc_depth, CONFIG.n_pes), np.int64)
        for event in self.events:
            for pe in range(CONFIG.n_pes):
                mask = event["mask"] & (PARTIAL if event["last_group"] and pe >= N_LAST_PES else ~0)
                if self.targeted and pe != event["pe"]:
                    continue
                for position in range(N_POSITIONS):
                    weight = self.weights[pe, event["slot"] * N_POSITIONS + position]
                    addr = (event["base"] + self.offset[position]) % CONFIG.acc_depth
                    acc[addr, pe] += event["value"] * weight * (mask >> position & 1)
        return acc

    def items(self) -> list[dict]:
        items = [
            {
                "event": {"slot": event["slot"], "value": event["value"], "first": 1, "row_end": 0},
                "context": {"mask": event["mask"], "base": event["base"]},
                "last_group": event["last_group"], "pe": event["pe"],
            }
            for event in self.events
        ]  # fmt: skip
        end = {"event": {"slot": 0, "value": 0, "first": 0, "row_end": 1}, "context": {"mask": 0, "base": 0}}
        return [*items, end | {"last_group": 0, "pe": 0}]


async def load(ctx, dut, scenario: Scenario) -> None:
    width, per_beat, size = CONFIG.mask_width, CONFIG.data_width // CONFIG.mask_width, CONFIG.beat_bytes
    for pe, weights in enumerate(scenario.weights):
        stored = weights != 0
        ctx.set(dut.load_pe, pe)
        ctx.set(dut.load.mask_en, 1)
        for beat in range(CONFIG.mask_depth // per_beat):
            ctx.set(dut.load.mask_addr, beat)
            for entry in range(per_beat):
                first = (beat * per_beat + entry) * width
                mask = sum(1 << bit for bit in range(width) if stored[first + bit])
                ctx.set(dut.load.mask[entry], {"mask": mask, "index": int(stored[:first].sum())})
            await ctx.tick()
        ctx.set(dut.load.mask_en, 0)
        packed = weights[stored].astype(np.int8).tobytes()
        ctx.set(dut.load.row_en, 1)
        for row in range(-(-len(packed) // size)):
            ctx.set(dut.load.row_addr, row)
            ctx.set(dut.load.row, int.from_bytes(packed[row * size :][:size], "little"))
            await ctx.tick()
        ctx.set(dut.load.row_en, 0)


@pytest.mark.parametrize("targeted", [False, True], ids=["broadcast", "targeted"])
@pytest.mark.parametrize("gap", [0.0, 0.5])
def test_products_reach_their_accumulators(targeted, gap):
    dut, scenario = PEArray(CONFIG), Scenario(np.random.default_rng(int(2 * gap)), targeted, 150)
    acc = np.zeros((CONFIG.acc_depth, CONFIG.n_pes), np.int64)
    ended = []

    async def row_ends(ctx):
        while True:
            _, _, done = await ctx.tick().sample(dut.row_done)
            if done:
                ended.append(ctx.get(dut.idle))

    async def bench(ctx):
        settings = {
            "op_max": 0, "slot_log2": SLOT_LOG2, "weight_log2": 0, "n_last_pes": N_LAST_PES, "partial_mask": PARTIAL,
            "targeted": targeted,
        }  # fmt: skip
        ctx.set(dut.config, settings)
        for position, offset in enumerate(scenario.offset):
            ctx.set(dut.offset[position], int(offset))
        await load(ctx, dut, scenario)
        await StreamDriver(dut.i_events, scenario.items(), seed=1, gap=gap).run(ctx)
        await wait_until(ctx, dut.idle)
        await ctx.tick()
        for addr in range(CONFIG.acc_depth):
            ctx.set(dut.drain, (1 << CONFIG.n_pes) - 1)
            ctx.set(dut.drain_addr, addr)
            _, _, granted = await ctx.tick().sample(dut.drain_grant)
            assert granted == (1 << CONFIG.n_pes) - 1
            acc[addr] = [ctx.get(dut.drained[pe]) for pe in range(CONFIG.n_pes)]

    simulate(dut, bench, background=[row_ends])
    assert len(ended) == 1
    np.testing.assert_array_equal(acc, scenario.expected())
