"""The write-combining registers with the accumulator memory behind them, against a dictionary of sums."""

from collections import defaultdict

import numpy as np
import pytest
from amaranth import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from quiesce.rtl.pe.accumulator import Accumulator
from quiesce.rtl.pe.interfaces import acc_addr_width
from quiesce.rtl.pe.psum_registers import PsumRegisters
from quiesce.spec.config import CoreConfig

CONFIGS = {
    "one-lane": CoreConfig(n_pes=1, post_units=1, acc_depth=64, psum_depth=8),
    "two-lanes": CoreConfig(n_pes=1, n_lanes=2, post_units=1, acc_depth=128, psum_depth=4, acc_width=32),
    "one-bit tag": CoreConfig(n_pes=1, post_units=1, acc_depth=32, psum_depth=16),
}


class Pair(wiring.Component):
    """PsumRegisters in front of an Accumulator, as in a PE."""

    def __init__(self, config):
        self._config = config
        self.registers, self.accumulator = PsumRegisters(config), Accumulator(config)
        super().__init__(
            {
                "en": In(1),
                "addr": In(acc_addr_width(config)),
                "product": In(data.ArrayLayout(16, config.n_lanes)),
                "op_max": In(1),
                "row_end": In(1),
                "drain": In(1),
                "drain_addr": In(acc_addr_width(config)),
                "drain_grant": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.registers, m.submodules.accumulator = registers, accumulator = self.registers, self.accumulator
        for name in ("en", "addr", "product", "op_max", "row_end"):
            m.d.comb += getattr(registers, name).eq(getattr(self, name))
        m.d.comb += [
            accumulator.update.eq(registers.evict),
            accumulator.addr.eq(registers.evict_addr),
            accumulator.sums.eq(registers.evicted),
            accumulator.op_max.eq(self.op_max),
            accumulator.drain.eq(self.drain),
            accumulator.drain_addr.eq(self.drain_addr),
            self.drain_grant.eq(accumulator.drain_grant),
        ]
        return m


def simulate(config, operations, *, op_max=0, drain_seed=None):
    """Play operations, each an address with products, None for the end of a row, or "gap"; then drain everything.

    With ``drain_seed`` random words are drained all the time and counted in.

    Returns
    -------
    dict with sums by address, evictions, row_ends and the cycles from the last operation until nothing is held.
    """
    dut = Pair(config)
    sums = defaultdict(lambda: np.zeros(config.n_lanes, np.int64))
    result = {"evictions": 0, "row_ends": 0, "settling": 0, "sums": sums}
    rng = np.random.default_rng(drain_seed or 0)
    drained_at = None

    async def step(ctx, drain_addr=None):
        """One cycle; the word drained in the cycle before is there now."""
        nonlocal drained_at
        if drained_at is not None:
            lanes = np.array([ctx.get(dut.accumulator.drained[lane]) for lane in range(config.n_lanes)])
            sums[drained_at] = np.maximum(sums[drained_at], lanes) if op_max else sums[drained_at] + lanes
        ctx.set(dut.drain, drain_addr is not None)
        ctx.set(dut.drain_addr, drain_addr or 0)
        _, _, evict, row_end, grant = await ctx.tick().sample(dut.registers.evict, dut.registers.row_done, dut.drain_grant)
        result["evictions"] += evict
        result["row_ends"] += row_end
        drained_at = drain_addr if grant else None
        return grant

    async def bench(ctx):
        ctx.set(dut.op_max, op_max)
        for operation in operations:
            while ctx.get(dut.registers.crowded) and operation is None:
                await step(ctx)
            ctx.set(dut.row_end, operation is None)
            ctx.set(dut.en, isinstance(operation, tuple))
            if isinstance(operation, tuple):
                ctx.set(dut.addr, operation[0])
                for lane, product in enumerate(operation[1]):
                    ctx.set(dut.product[lane], product)
            await step(ctx, int(rng.integers(config.acc_depth)) if drain_seed is not None else None)
            ctx.set(dut.en, 0)
            ctx.set(dut.row_end, 0)
        while ctx.get(dut.registers.busy):
            await step(ctx)
            result["settling"] += 1
            assert result["settling"] < 100
        for addr in range(config.acc_depth):
            assert await step(ctx, addr)
        await step(ctx)

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return result


def play(rng, config, n, addresses, *, op_max, row=40, gap=0.0):
    operations = []
    for i in range(n):
        while rng.random() < gap:
            operations.append("gap")
        low = 0 if op_max else -(1 << 15)
        operations.append((int(rng.choice(addresses)), rng.integers(low, 1 << 15, config.n_lanes).tolist()))
        if i % row == row - 1:
            operations.append(None)
    return [*operations, None]


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("op_max", [0, 1])
@pytest.mark.parametrize("drain_seed", [None, 3])
@pytest.mark.parametrize(("row", "gap"), [(40, 0.0), (3, 0.3), (1, 0.0)])
def test_every_product_is_in_the_sums(config, op_max, drain_seed, row, gap):
    rng = np.random.default_rng(row)
    addresses = np.concatenate([np.arange(config.acc_depth), np.repeat(rng.integers(config.acc_depth, size=4), 8)])
    operations = play(rng, config, 400, addresses, op_max=op_max, row=row, gap=gap)
    result = simulate(config, operations, op_max=op_max, drain_seed=drain_seed)
    expected = defaultdict(lambda: np.zeros(config.n_lanes, np.int64))
    for addr, products in (operation for operation in operations if isinstance(operation, tuple)):
        expected[addr] = np.maximum(expected[addr], products) if op_max else expected[addr] + products
    for addr in range(config.acc_depth):
        np.testing.assert_array_equal(result["sums"][addr], expected[addr])
    assert result["row_ends"] == operations.count(None)


def test_a_window_costs_one_eviction_per_sum():
    """Eight addresses with different low bits, eight times over, then the next eight."""
    config = CONFIGS["one-lane"]
    rng = np.random.default_rng(0)
    operations = [(base + i, [int(rng.integers(100))]) for base in (0, 8, 16) for _ in range(8) for i in range(8)] + [None]
    result = simulate(config, operations)
    assert result["evictions"] == 3 * 8
    assert result["settling"] == 9  # one sum a cycle, then the end of the row


def test_sums_of_a_row_leave_while_the_next_row_hits():
    """No cycle is lost at the end of a row: operations that evict nothing leave the port to the sums of the row before."""
    config = CONFIGS["one-lane"]
    operations = [(i, [1]) for i in range(8)] + [None] + [(0, [1])] * 20 + [None] + [(0, [1])] * 20
    result = simulate(config, [*operations, None])
    assert result["row_ends"] == 3
    assert result["settling"] <= 2
    assert result["sums"][0] == 41


def test_row_ends_wait_while_every_operation_evicts():
    """Two addresses of one register take turns; the sums of another register leave when the operations pause."""
    config = CONFIGS["one-lane"]
    operations = [(1, [5])] + [operation for _ in range(5) for operation in ((0, [1]), (8, [1]), None)]
    result = simulate(config, operations)
    assert result["row_ends"] == 5
    assert [int(result["sums"][addr][0]) for addr in (0, 1, 8)] == [5, 5, 5]
