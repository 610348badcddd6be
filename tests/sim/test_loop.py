"""The bare loop: one process, phases from reset or going on, and what becomes of one that fails."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from quiesce.sim.build import Simulator, build_simulator
from quiesce.sim.errors import SimError
from quiesce.sim.job import Bus, Job, run_job
from quiesce.sim.script import Script
from quiesce.spec.registers import Register
from tests.sim import standin


@pytest.fixture(scope="module", params=["loop", "cocotb"])
def simulator(request: pytest.FixtureRequest) -> Simulator:
    return build_simulator(standin.VERILOG, main=request.param, mark=standin.MARK)


def test_a_phase_goes_on_with_the_core_as_the_one_before_left_it(simulator: Simulator, tmp_path: Path) -> None:
    first, later = standin.script(3), Script()
    later.read(Register.ITEMS_DONE, "items")
    job = standin.job(first, later, later)
    phases = [job.phases[0], replace(job.phases[1], reset=False), job.phases[2]]
    result = run_job(simulator, Job(job.memory, phases, Bus()), tmp_path)
    assert [phase.values["items"] for phase in result.phases] == [3, 3, 0]


def test_the_loop_computes_what_cocotb_does(tmp_path: Path) -> None:
    memories = []
    for main in ("loop", "cocotb"):
        (tmp_path / main).mkdir()
        simulator = build_simulator(standin.VERILOG, main=main, mark=standin.MARK)
        result = run_job(simulator, standin.job(standin.script(5), bus=Bus(stall=90, seed=3)), tmp_path / main)
        memories.append((result.memory, result.phases[0].cycles))
    np.testing.assert_array_equal(memories[0][0], memories[1][0])
    assert memories[0][1] == memories[1][1]


def test_a_process_that_fails_is_reported(tmp_path: Path) -> None:
    simulator = build_simulator(standin.VERILOG, main="loop", mark=standin.MARK)
    (tmp_path / "0.results").mkdir()
    with pytest.raises(SimError, match=r"bare loop failed: .*0\.results: Is a directory"):
        run_job(simulator, standin.job(standin.script(1)), tmp_path)
