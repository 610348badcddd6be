"""``quiesce cosim``: what it asks of the simulation and what it makes of the result. The simulation itself is made up."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

import quiesce.sim.cosimulation as quiesce_sim
from quiesce.cli.cosim import DENSE_IMAGES
from quiesce.sim import RunOptions
from quiesce.sim.errors import CoreError
from quiesce.sim.result import Run
from quiesce.spec.config import CoreConfig, preset


@dataclass(frozen=True)
class Call:
    inputs: np.ndarray
    config: CoreConfig
    options: RunOptions


class Simulation:
    """Stands in for ``quiesce.sim.cosim``: notes its calls and returns given runs."""

    def __init__(self, run: Run, dense_run: Run) -> None:
        self.runs = {False: run, True: dense_run}
        self.calls: list[Call] = []

    def __call__(
        self, network: object, inputs: np.ndarray, *, config: CoreConfig, labels: object, options: RunOptions,
        progress: Callable[[int], None],
    ) -> Run:  # fmt: skip
        self.calls.append(Call(inputs, config, options))
        progress(len(inputs))
        run = self.runs[options.dense]
        return run if config.zero_skipping else replace(run, cycles=2 * run.cycles - run.load_cycles)


@pytest.fixture
def simulation(monkeypatch: pytest.MonkeyPatch, run: Run, dense_run: Run) -> Simulation:
    stand_in = Simulation(run, dense_run)
    monkeypatch.setattr(quiesce_sim, "cosim", stand_in)
    return stand_in


@pytest.fixture
def words(network_file: Path, tmp_path: Path) -> list[object]:
    np.save(tmp_path / "inputs.npy", np.arange(24, dtype=np.int8).reshape(2, 4, 3, 1))
    return ["cosim", network_file, "--inputs", tmp_path / "inputs.npy"]


def test_both_modes_run_and_are_compared(quiesce: Callable[..., Result], simulation: Simulation, words: list[object]) -> None:
    result = quiesce(*words)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert sorted(call.options.dense for call in simulation.calls) == [False, True]
    assert all(
        call.config == preset("base") and call.options.energy and call.options.bus.latency == 32 for call in simulation.calls
    )
    for text in ("9.14x", "made-up, event-driven", "energy, nJ per image", "integer reference: yes, both modes"):
        assert text in result.stdout


def test_dense_mode_runs_on_a_few_images_unless_alone(
    quiesce: Callable[..., Result], simulation: Simulation, words: list[object], tmp_path: Path
) -> None:
    np.save(tmp_path / "inputs.npy", np.zeros((DENSE_IMAGES + 3, 4, 3, 1), np.int8))
    quiesce(*words)
    assert {call.options.dense: len(call.inputs) for call in simulation.calls} == {True: DENSE_IMAGES, False: DENSE_IMAGES + 3}
    quiesce(*words, "--dense")
    assert len(simulation.calls[-1].inputs) == DENSE_IMAGES + 3


def test_options_reach_the_simulation(quiesce: Callable[..., Result], simulation: Simulation, words: list[object]) -> None:
    result = quiesce(*words, "--dense", "--no-energy", "--latency", 100, "--preset", "tiny", "--set", "n_pes=2", "--images", 1)
    assert result.exit_code == 0
    (call,) = simulation.calls
    assert (call.options.dense, call.options.energy, call.options.bus.latency) == (True, False, 100)
    assert call.config == preset("tiny", n_pes=2)
    assert call.inputs.shape == (1, 4, 3, 1)
    assert "dense mode, per image" in result.stdout
    assert "speed-up" not in result.stdout


def test_plain_core_beside_both_modes(quiesce: Callable[..., Result], simulation: Simulation, words: list[object]) -> None:
    result = quiesce(*words, "--plain")
    assert [call.config.zero_skipping for call in simulation.calls] == [0, 1, 1]
    assert "plain dense core: 6,400 cycles (18.29x), 9.00 nJ (4.00x)" in result.stdout
    report = json.loads(quiesce(*words, "--plain", "--json", "-").stdout)
    assert report["plain"]["cycles_per_item"] == 6400
    simulation.calls.clear()
    assert "plain dense core" not in quiesce(*words, "--plain", "--preset", "plain").stdout
    assert len(simulation.calls) == 1


def test_energy_images(quiesce: Callable[..., Result], simulation: Simulation, words: list[object]) -> None:
    quiesce(*words, "--energy-images", 7)
    quiesce(*words)
    assert [call.options.energy_items for call in simulation.calls] == [7, 7, None, None]


def test_json_holds_both_runs(quiesce: Callable[..., Result], simulation: Simulation, words: list[object]) -> None:
    report = json.loads(quiesce(*words, "--json", "-").stdout)
    for dense, name in ((False, "event_driven"), (True, "dense")):
        assert report[name] == json.loads(json.dumps(simulation.runs[dense].to_dict()))
    assert report["inputs"] == str(words[-1])
    assert "event_driven" not in json.loads(quiesce(*words, "--dense", "--json", "-").stdout)


@pytest.mark.parametrize("dense", [False, True])
def test_a_difference_from_the_reference_fails(
    quiesce: Callable[..., Result], simulation: Simulation, words: list[object], dense: bool
) -> None:
    simulation.runs[dense] = replace(simulation.runs[dense], bit_exact=False, mismatch="layer 'conv': output 3")
    result = quiesce(*words)
    assert result.exit_code == 1
    assert "bit-exact with the integer reference: no: layer 'conv': output 3" in result.stdout


def test_a_core_that_stops_is_a_failure_in_one_line(
    quiesce: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, words: list[object]
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise CoreError("no interrupt within 9 cycles")

    monkeypatch.setattr(quiesce_sim, "cosim", stop)
    result = quiesce(*words)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "quiesce: error: no interrupt within 9 cycles\n")


def test_damaged_networks_and_inputs_are_refused(rejects: Callable[..., str], words: list[object], tmp_path: Path) -> None:
    assert rejects("cosim", words[3]).startswith("network file: ")
    assert rejects("cosim", words[1], "--inputs", words[1]).startswith("--inputs ")
    assert rejects("cosim", words[1]).startswith("network 'small' takes maps of 4 x 3 x 1 that are not known to be MNIST")


def test_a_real_core_from_the_command_line(quiesce: Callable[..., Result], words: list[object]) -> None:
    result = quiesce(*words, "--preset", "tiny", "--energy-images", 1, "--json", "-")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    event_driven, dense = report["event_driven"], report["dense"]
    assert event_driven["bit_exact"]
    assert dense["bit_exact"]
    assert [layer["name"] for layer in event_driven["layers"]] == ["conv", "max"]
    assert event_driven["layers"][0]["events"] == 23  # 0..23 has one zero
    assert dense["layers"][0]["counters"]["macs"] > event_driven["layers"][0]["counters"]["macs"]
    assert event_driven["energy_pj_per_item"] > 0
