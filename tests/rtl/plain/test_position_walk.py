"""Operations of a plain array: one for each position of each event, in order."""

from random import Random

import pytest

from quiesce.rtl.pe.interfaces import acc_addr_width
from quiesce.rtl.plain.position_walk import PositionWalk
from quiesce.spec.config import preset
from tests.rtl.support import StreamDriver, simulate

CONFIG = preset("plain", n_pes=4, post_units=4, acc_depth=64, mask_width=16)
N_POSITIONS, SLOT_BASE = 9, 30
LATENCY = 3


@pytest.mark.parametrize("gap", [0.0, 0.4])
def test_operations(gap):
    rng, dut = Random(1), PositionWalk(CONFIG)
    offsets = [rng.randrange(1 << acc_addr_width(CONFIG)) for _ in range(CONFIG.mask_width)]
    events, wanted = [], []
    for _ in range(120):
        row_end, mask = rng.random() < 0.1, rng.randrange(1, 1 << N_POSITIONS)
        slot, value, base = rng.randrange(50), rng.randint(-128, 127), rng.randrange(CONFIG.acc_depth)
        last_group, pe = rng.random() < 0.5, rng.randrange(CONFIG.n_pes)
        event = {"slot": slot, "value": value, "first": 1, "row_end": row_end}
        events.append({"event": event, "context": {"mask": mask, "base": base}, "last_group": last_group, "pe": pe})
        if row_end:
            wanted.append("row end")
            continue
        for bit in (bit for bit in range(N_POSITIONS) if mask >> bit & 1):
            index, addr = SLOT_BASE + slot * N_POSITIONS + bit, (base + offsets[bit]) % CONFIG.acc_depth
            wanted.append((index, value, addr, bit, last_group, pe))
    seen, active = [], []

    async def operations(ctx):
        ports = (dut.o_valid, dut.row_end, dut.o.o.index, dut.o.o.value, dut.o.o.addr, dut.o.bit, dut.o.last_group, dut.o.pe)
        cycle = 0
        while True:
            _, _, valid, row_end, *step = await ctx.tick().sample(*ports)
            assert not (valid and row_end)
            if valid or row_end:
                active.append(cycle)
                seen.append("row end" if row_end else (*step[:4], bool(step[4]), step[5]))
            cycle += 1

    async def bench(ctx):
        ctx.set(dut.config, {"n_positions": N_POSITIONS, "slot_base": SLOT_BASE})
        for port, offset in zip(dut.offset, offsets, strict=True):
            ctx.set(port, offset)
        await StreamDriver(dut.i_events, events, seed=2, gap=gap).run(ctx)
        while ctx.get(dut.busy):
            await ctx.tick()

    simulate(dut, bench, background=[operations])
    assert seen == wanted
    if not gap:
        assert active == list(range(LATENCY, LATENCY + len(wanted))), "no bubble"


def test_hold():
    """While held no event begins; the one under way goes on."""
    dut = PositionWalk(CONFIG)
    event = {"event": {"slot": 0, "value": 1, "first": 1, "row_end": 0}, "context": {"mask": 0b111, "base": 0}}

    async def bench(ctx):
        ctx.set(dut.i_events.payload, {**event, "last_group": 0, "pe": 0})
        ctx.set(dut.i_events.valid, 1)
        await ctx.tick()
        ctx.set(dut.hold, 1)
        steps = 0
        for _ in range(12):
            _, _, ready, valid = await ctx.tick().sample(dut.i_events.ready, dut.o_valid)
            assert not ready
            steps += valid
        assert steps == 3

    simulate(dut, bench)
