"""The bare C++ loop runs the same bench as cocotb."""

import pytest

from quiesce.bench.speed import measure_speed
from quiesce.sim.errors import SimError
from quiesce.sim.job import Bus
from tests.sim import standin


def test_all_ways_take_the_same_cycles() -> None:
    speed = measure_speed(
        standin.VERILOG, standin.job(standin.script(100), bus=Bus(stall=90, seed=3)), monitored=standin.VERILOG,
        mark=standin.MARK, repeat=1,
    )  # fmt: skip
    assert speed.cycles > 100 * 2 * 32
    assert speed.counting is not None and speed.counting > 0
    assert speed.ratio == pytest.approx(speed.cosim / speed.loop)


def test_a_failing_loop_is_reported() -> None:
    job = standin.job(standin.script(1, output_base=0x8001))
    with pytest.raises(SimError):
        measure_speed(standin.VERILOG, job, mark=standin.MARK, repeat=1)
