"""Coordinates of an axis against the formula of Axis."""

from random import Random

import pytest

from quiesce.rtl.frontend.axis import Axis
from quiesce.rtl.pe.interfaces import slot_width
from quiesce.spec.config import preset
from tests.rtl.support import simulate, wait_until

CONFIG = preset("tiny", acc_depth=64, mask_width=16, mask_depth=64, max_cols=32)
SETTINGS = {
    "plain": {"stride": 1, "phase": 0, "quot": 0, "split": 1, "reach_hi": 2, "reach_lo": 2, "out_first": 0, "n_out": 12},
    "padded": {"stride": 1, "phase": 0, "quot": 2, "split": 1, "reach_hi": 4, "reach_lo": 4, "out_first": 0, "n_out": 16},
    "strided": {"stride": 3, "phase": 2, "quot": 1, "split": 2, "reach_hi": 2, "reach_lo": 1, "out_first": 0, "n_out": 5},
    "part": {"stride": 2, "phase": 1, "quot": -3, "split": 1, "reach_hi": 1, "reach_lo": 0, "out_first": 1, "n_out": 3},
}
SLOTS = {"phase_slots": 7, "acc_pitch": 5}


def entry(settings: dict, coordinate: int) -> dict[str, int]:
    """What ``coordinate``, counted from the first one, contributes."""
    s = settings
    steps, phase = divmod(s["phase"] + coordinate, s["stride"])
    from_first = s["quot"] + steps - s["out_first"]
    return {
        "acc": steps * SLOTS["acc_pitch"] % CONFIG.acc_depth,
        "slot": phase * SLOTS["phase_slots"] % (1 << slot_width(CONFIG)),
        "low": min(127, max(0, from_first - s["n_out"] + 1)),
        "high": max(-1, min(from_first, s["reach_hi"] if phase < s["split"] else s["reach_lo"])),
    }


def read(ctx, port) -> dict[str, int]:
    return {name: ctx.get(port[name]) for name in ("acc", "slot", "low", "high")}


@pytest.mark.parametrize("name", SETTINGS)
def test_coordinates_one_by_one(name):
    dut, rng, settings = Axis(CONFIG), Random(1), SETTINGS[name]

    async def bench(ctx):
        ctx.set(dut.config, settings | SLOTS)
        for _ in range(2):  # a pass may follow another
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            assert await wait_until(ctx, dut.ready) <= settings["phase"]
            for coordinate in range(20):
                while rng.random() < 0.3:
                    await ctx.tick()
                assert read(ctx, dut.entry) == entry(settings, coordinate), coordinate
                assert ctx.get(dut.quot) == settings["quot"] + (settings["phase"] + coordinate) // settings["stride"]
                ctx.set(dut.advance, 1)
                await ctx.tick()
                ctx.set(dut.advance, 0)

    simulate(dut, bench)
