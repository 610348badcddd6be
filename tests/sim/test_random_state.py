"""The core needs no initial values: whatever its registers and memories hold at first, it does the same after a reset."""

from dataclasses import replace
from pathlib import Path

import networks
import numpy as np
import pytest
import standin
from cores import SMALL

from quiesce.sim.build import build_simulator
from quiesce.sim.core import core_text
from quiesce.sim.errors import SimError
from quiesce.sim.job import Bus, Job, Phase, run_job
from quiesce.sim.placement import place, program_memory, program_script
from quiesce.sw import reference
from quiesce.sw.compiler import compile_network

CONFIG = replace(SMALL, winner_depth=64, n_cores=2)


def test_any_state_is_good_to_begin_with(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    layers = [
        networks.conv(rng, "conv", "input", 2, 5, (3, 3), pad=(1, 1, 1, 1), density=0.6),
        networks.pool(networks.Kind.MAXPOOL, "pool", "conv", 5, (2, 2)),
        networks.linear(rng, "fc", "pool", 20, 7, density=0.5),
    ]
    network = networks.network(layers, (4, 4, 2))
    inputs = networks.inputs(rng, network, 2, 0.5)
    program = compile_network(network, CONFIG)
    placement = place(program, CONFIG, len(inputs))
    script = program_script(program, placement, len(inputs)).encode()
    simulator = build_simulator(core_text(CONFIG).verilog, random_state=True)
    expected = reference.run(network, inputs).outputs
    base, size = placement.regions[3]
    cycles, reports = set(), set()
    for seed in (None, 1, 2, 3, 4):
        folder = tmp_path / str(seed)
        folder.mkdir()
        job = Job(program_memory(program, placement, inputs), [Phase(script=script, limit=1 << 20)], Bus(latency=5))
        result = run_job(simulator, job, folder, state_seed=seed)
        np.testing.assert_array_equal(program.decode_outputs(result.memory[base : base + size].tobytes(), 2), expected, str(seed))
        cycles.add(result.phases[0].cycles)
        reports.add(tuple(result.phases[0].results.tolist()))
    assert len(cycles) == len(reports) == 1, "cycles or counters depend on the state at the beginning"


def test_a_simulator_without_it_is_refused(tmp_path: Path) -> None:
    simulator = build_simulator(standin.VERILOG, mark=standin.MARK)
    with pytest.raises(SimError, match="built without random_state"):
        run_job(simulator, Job(standin.memory(), []), tmp_path, state_seed=1)
