"""The core needs no initial values: whatever its registers and memories hold at first, it does the same after a reset."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from quiesce.sim.build import build_simulator
from quiesce.sim.core_text import core_text
from quiesce.sim.errors import SimError
from quiesce.sim.flow import RunOptions, deploy
from quiesce.sim.job import Bus, Job, run_job
from quiesce.sw import reference
from tests import networks
from tests.sim import standin
from tests.sim.cores import SMALL

CONFIG = replace(SMALL, winner_depth=64, n_cores=2)


def test_any_state_is_good_to_begin_with(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    layers = [
        networks.conv(rng, "conv", "input", 2, 5, (3, 3), pad=(1, 1, 1, 1), density=0.6),
        networks.pool(networks.MAXPOOL, "pool", "conv", 5, (2, 2)),
        networks.linear(rng, "fc", "pool", 20, 7, density=0.5),
    ]
    network = networks.network(layers, (4, 4, 2))
    inputs = networks.inputs(rng, network, 2, 0.5)
    deployment = deploy(network, inputs, CONFIG, RunOptions(bus=Bus(latency=5)))
    simulator = build_simulator(core_text(CONFIG).verilog, random_state=True)
    expected = reference.run(network, inputs).outputs
    cycles, reports = set(), set()
    for seed in (None, 1, 2, 3, 4):
        folder = tmp_path / str(seed)
        folder.mkdir()
        result = run_job(simulator, deployment.job(), folder, state_seed=seed)
        np.testing.assert_array_equal(deployment.outputs(result.memory), expected, str(seed))
        cycles.add(result.phases[0].cycles)
        reports.add(tuple(result.phases[0].values.items()))
    assert len(cycles) == len(reports) == 1, "cycles or counters depend on the state at the beginning"


def test_a_simulator_without_it_is_refused(tmp_path: Path) -> None:
    simulator = build_simulator(standin.VERILOG, mark=standin.MARK)
    with pytest.raises(SimError, match="built without random_state"):
        run_job(simulator, Job(standin.memory(), []), tmp_path, state_seed=1)
