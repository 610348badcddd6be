"""The core between AXI agents of another author, all channels stalling at random."""

import json
from pathlib import Path

import numpy as np
import pytest
from cocotb_tools.runner import Icarus

from quiesce.sim.build import build_agents
from quiesce.sim.core_text import core_text
from quiesce.sim.flow import deploy
from quiesce.sim.icarus import build_icarus_agents
from quiesce.sim.runner import WheelVerilator
from quiesce.sim.script import Script
from quiesce.spec.performance import Counter
from quiesce.spec.registers import Status
from quiesce.sw import reference
from tests import networks
from tests.sim import standin
from tests.sim.cores import SMALL


def run_agents(
    verilog: str, memory: np.ndarray, script: Script, folder: Path, *, seed: int, share: float, icarus: str | None = None
) -> dict[object, int]:
    """Run a script; ``memory`` becomes what the core left in it. Under Icarus the Verilog is read as that of a year."""
    simulator = build_icarus_agents(verilog, standard=icarus) if icarus else build_agents(verilog)
    runner = Icarus() if icarus else WheelVerilator()
    memory.tofile(folder / "memory.bin")
    settings = {"seed": seed, "share": share, "limit_us": 10_000, "script": script.encode().tolist()}
    (folder / "job.json").write_text(json.dumps(settings))
    runner.test(
        test_module="tests.sim.agents_bench", hdl_toplevel=simulator.top, hdl_toplevel_lang="verilog", build_dir=simulator.folder,
        test_dir=folder, results_xml=str(folder / "results.xml"), extra_env={"AGENTS_JOB": str(folder)},
        log_file=folder / "log",
    )  # fmt: skip
    memory[:] = np.fromfile(folder / "memory.bin", np.uint8)
    return script.decode(np.array(json.loads((folder / "result.json").read_text()), np.uint64))


def test_stand_in(tmp_path: Path) -> None:
    memory, script = standin.memory(), standin.script(4)
    values = run_agents(standin.VERILOG, memory, script, tmp_path, seed=1, share=0.3)
    size = 4 * standin.ITEM_BYTES
    before = standin.memory()[standin.INPUT :][:size]
    np.testing.assert_array_equal(memory[standin.OUTPUT :][:size], before + np.uint8(1))
    assert values["items"] == 4


@pytest.mark.parametrize(("seed", "share", "icarus"), [(11, 0.0, None), (12, 0.5, None), (13, 0.1, "2005"), (14, 0.0, "2012")])
def test_core(tmp_path: Path, seed: int, share: float, icarus: str | None) -> None:
    rng = np.random.default_rng(seed)
    layers = [
        networks.conv(rng, "conv", "input", 2, 5, (3, 3), pad=(1, 1, 1, 1), density=0.6),
        networks.pool(networks.MAXPOOL, "pool", "conv", 5, (2, 2)),
        networks.linear(rng, "fc", "pool", 45, 7, density=0.5),
    ]
    network = networks.network(layers, (6, 6, 2))
    inputs = networks.inputs(rng, network, 2, 0.5)
    deployment = deploy(network, inputs, SMALL)
    memory, script = deployment.memory.copy(), deployment.script()
    values = run_agents(core_text(SMALL).verilog, memory, script, tmp_path, seed=seed, share=share, icarus=icarus)
    assert values["status"] == 1 << Status.DONE
    counters = deployment.report(values).counters

    expected = reference.run(network, inputs)
    np.testing.assert_array_equal(deployment.outputs(memory), expected.outputs)
    for plan in deployment.program.layers:
        assert counters[plan.counter][Counter.EFFECTUAL_MACS] == expected.counts[plan.name].effectual_macs.sum()
