"""The requantisation unit against the integer reference: values, latency and stalls."""

from random import Random

import numpy as np
import pytest

from quiesce.rtl.backend.requantize import Requantize
from quiesce.spec.config import CoreConfig
from quiesce.sw.format.requantize import requantize
from tests.rtl.support import simulate


def reference(case: dict, low: int, high: int, threshold: int) -> int:
    """The contract on one partial sum."""
    acc, multiplier, shift = (np.array([value]) for value in (case["psum"] + case["bias"], case["multiplier"], case["shift"]))
    return int(requantize(acc, multiplier, shift, low, high, threshold)[0])


def cases(rng: Random, acc_width: int, count: int) -> list[dict]:
    """Random operands, their results mostly near the output range, and the extremes."""
    psum_max, acc_max = (1 << acc_width - 1) - 1, (1 << 31) - 1
    extremes = [
        {"psum": psum, "bias": bias, "multiplier": multiplier, "shift": shift}
        for psum, bias in ((psum_max, acc_max - psum_max), (-psum_max - 1, psum_max - acc_max), (0, 0), (1, 0), (-1, 0))
        for multiplier in (1, 65535)
        for shift in (0, 1, 2, 47)
    ]
    random = []
    for _ in range(count):
        shift = rng.randrange(48)
        multiplier = rng.randrange(1, 65536)
        reach = min(psum_max // 2, max(1, (200 << shift) // multiplier))
        random.append(
            {"psum": rng.randint(-reach, reach), "bias": rng.randint(-reach, reach), "multiplier": multiplier, "shift": shift}
        )
    return extremes + random


@pytest.mark.parametrize("acc_width", [16, 24, 32])
@pytest.mark.parametrize(("low", "high", "threshold"), [(-127, 127, 0), (0, 127, 0), (0, 100, 20), (-50, -3, 0), (0, 127, 127)])
def test_equals_reference(acc_width: int, low: int, high: int, threshold: int) -> None:
    """One result per enabled cycle, `LATENCY` enabled cycles after the operands."""
    rng = Random(acc_width * 1000 + threshold)
    dut = Requantize(CoreConfig(acc_width=acc_width))
    work = cases(rng, acc_width, 120)
    results = []

    async def testbench(ctx) -> None:
        ctx.set(dut.clip_low, low)
        ctx.set(dut.clip_high, high)
        ctx.set(dut.threshold, threshold)
        for case in work + [work[0]] * dut.LATENCY:
            while rng.random() < 0.2:  # a stall, with other operands at the inputs
                ctx.set(dut.en, 0)
                ctx.set(dut.i_psum, rng.randint(-9, 9))
                await ctx.tick()
            ctx.set(dut.en, ~0)
            ctx.set(dut.i_psum, case["psum"])
            ctx.set(dut.i_param, {name: case[name] for name in ("bias", "multiplier", "shift")})
            results.append(ctx.get(dut.o_value))
            await ctx.tick()

    simulate(dut, testbench)
    assert results[dut.LATENCY :] == [reference(case, low, high, threshold) for case in work]


def test_rounds_half_up() -> None:
    """Ties go towards positive infinity on both sides of zero."""
    dut = Requantize(CoreConfig())
    results = []

    async def testbench(ctx) -> None:
        ctx.set(dut.clip_low, -127)
        ctx.set(dut.clip_high, 127)
        ctx.set(dut.en, ~0)
        ctx.set(dut.i_param, {"bias": 0, "multiplier": 1, "shift": 1})
        for psum in [-3, -2, -1, 0, 1, 2, 3] + [0] * dut.LATENCY:
            ctx.set(dut.i_psum, psum)
            results.append(ctx.get(dut.o_value))
            await ctx.tick()

    simulate(dut, testbench)
    assert results[dut.LATENCY :] == [-1, -1, 0, 0, 1, 1, 2]


def test_stages_hold_alone() -> None:
    """A stage that is not enabled keeps its registers while the others go on."""
    dut = Requantize(CoreConfig())

    async def testbench(ctx) -> None:
        ctx.set(dut.clip_low, -127)
        ctx.set(dut.clip_high, 127)
        ctx.set(dut.i_param, {"bias": 0, "multiplier": 1, "shift": 0})
        ctx.set(dut.i_psum, 42)
        for stage in range(dut.LATENCY):
            ctx.set(dut.en, 1 << stage)
            await ctx.tick()
            ctx.set(dut.i_psum, 7)
        assert ctx.get(dut.o_value) == 42

    simulate(dut, testbench)
