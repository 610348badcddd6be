"""Activity counted at speed: equal to the simulator's own activity files, module by module, and to the core's counters."""

from collections import Counter as Sums
from pathlib import Path

import numpy as np
import pytest

from quiesce.sim.build import build_simulator
from quiesce.sim.core_text import CoreText, core_text
from quiesce.sim.energy.module_activity import ModuleActivity, read_activity
from quiesce.sim.errors import EnergyError
from quiesce.sim.flow import RunOptions, deploy
from quiesce.sim.job import PhaseResult, run_job
from quiesce.spec.performance import Counter
from tests import networks
from tests.sim.cores import TINY
from tests.sim.energy.saif import window_toggles

N_ITEMS = 2


@pytest.fixture(scope="module")
def core() -> CoreText:
    return core_text(TINY)


@pytest.fixture(scope="module", params=["event-driven", "dense"])
def run(request: pytest.FixtureRequest, core: CoreText, tmp_path_factory: pytest.TempPathFactory) -> tuple[PhaseResult, dict]:
    """Two images with activity counted in both ways at once, and the counters of each layer."""
    rng = np.random.default_rng(5)
    network = networks.network(
        [
            networks.conv(rng, "conv", "input", 2, 6, (3, 3), pad=(1, 1, 1, 1), density=0.7),
            networks.pool(networks.MAXPOOL, "pool", "conv", 6, (2, 2)),
            networks.linear(rng, "fc", "pool", 96, 10, density=0.4),
        ],
        (8, 8, 2),
    )
    inputs = networks.inputs(rng, network, N_ITEMS, 0.4)
    deployment = deploy(network, inputs, TINY, RunOptions(dense=request.param == "dense"))
    phases = deployment.phase(), deployment.phase(toggles=True, windows=True)
    simulator = build_simulator(core.monitored, toggles=True, windows=True)
    folder = tmp_path_factory.mktemp("job")
    result = run_job(simulator, deployment.job(*phases), folder).phases[1]
    return result, deployment.report(result.values).counters


def test_toggles_equal_the_activity_files(run: tuple[PhaseResult, dict]) -> None:
    result, counters = run
    assert len(result.windows) >= N_ITEMS * len(counters)
    expected: dict[int, Sums[str]] = {}
    for window in result.windows:
        sums = expected.setdefault(window.layer, Sums())
        for scope, toggles in window_toggles(window.opened, window.closed).items():
            if scope[:2] == ("tb", "dut"):
                sums["/".join(scope[2:])] += toggles
    assert result.activity.keys() == expected.keys() >= counters.keys()
    for layer, sums in expected.items():
        counted = {path: module.toggles for path, module in result.activity[layer].items()}
        assert {path: n for path, n in counted.items() if n} == {path: n for path, n in sums.items() if n}
        assert sum(counted.values()) > 1000


def test_the_bare_loop_counts_the_same(core: CoreText, tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    network = networks.network([networks.linear(rng, "fc", "input", 32, 5, density=0.6)], (4, 4, 2))
    deployment = deploy(network, networks.inputs(rng, network, N_ITEMS, 0.4), TINY)
    counted = []
    for main in ("cocotb", "loop"):
        (tmp_path / main).mkdir()
        simulator = build_simulator(core.monitored, main=main, toggles=True)
        phases = deployment.phase(toggles=True), deployment.phase(1, toggles=True)
        counted.append([phase.activity for phase in run_job(simulator, deployment.job(*phases), tmp_path / main).phases])
    for cocotb, loop in zip(*counted, strict=True):
        assert {layer: modules.keys() for layer, modules in cocotb.items()} == {layer: loop[layer].keys() for layer in loop}
        for layer, modules in cocotb.items():
            for path, module in modules.items():
                other = loop[layer][path]
                assert (module.loads, module.loads_reset, module.gates) == (other.loads, other.loads_reset, other.gates)
                # What toggles in every cycle depends on how long the reset was.
                assert other.toggles == pytest.approx(module.toggles, rel=0.03, abs=2)


def test_loads_are_those_that_the_core_counted(run: tuple[PhaseResult, dict], core: CoreText) -> None:
    result, counters = run
    for layer, counted in counters.items():
        modules = result.activity[layer]
        # A multiplier's product is loaded by each operation of its lane.
        products = sum(module.loads + module.loads_reset for path, module in modules.items() if path.endswith("/mac"))
        assert products == 16 * counted[Counter.MACS]
        for path, module in modules.items():
            assert module.loads <= core.clocks[path].gated * counted[Counter.CYCLES]
            assert module.loads_reset <= core.clocks[path].gated_reset * counted[Counter.CYCLES]
            # The gates of a module are clocked together, in some cycles.
            shared = core.clocks[path].shared
            assert module.gates <= shared * counted[Counter.CYCLES]
            assert module.gates % shared == 0 if shared else not module.gates
        assert any(module.gates for module in modules.values())


def test_every_flip_flop_is_in_one_module(core: CoreText) -> None:
    for clocks in core.clocks.values():
        assert clocks.gated + clocks.gated_reset <= clocks.flip_flops
        assert (clocks.gates > 0) == (clocks.gated > 0) and (clocks.gates_reset > 0) == (clocks.gated_reset > 0)
    one = core.clocks["cluster/core_0"]
    assert one.flip_flops > 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0\ttb.dut\t1\t2\t3\n", "line 1: not the activity of a module"),
        ("0\ttb.dut\t1\t2\t3\t4\n0\ttb.host\t1\t2\t3\t4\n", "line 2: not the activity of a module"),
        ("0\ttb.dut\tmany\t2\t3\t4\n", "not an activity file"),
        ("nothing\n", "not an activity file"),
    ],
)
def test_damaged_activity(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "activity"
    path.write_text(text)
    with pytest.raises(EnergyError, match=message):
        read_activity(path)


def test_activity_by_layer_and_module(tmp_path: Path) -> None:
    path = tmp_path / "activity"
    path.write_text("0\ttb.dut\t1\t2\t3\t4\n7\ttb.dut.cluster.core_0\t5\t6\t7\t8\n")
    assert read_activity(path) == {0: {"": ModuleActivity(1, 2, 3, 4)}, 7: {"cluster/core_0": ModuleActivity(5, 6, 7, 8)}}
    with pytest.raises(EnergyError, match="No such file"):
        read_activity(tmp_path / "none")
