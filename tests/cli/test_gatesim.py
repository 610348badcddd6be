"""``quiesce gatesim`` and ``quiesce calibrate``, with measurements made up."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import Result

from quiesce.sim.errors import NetlistError
from quiesce.sim.gates.calibration.features import Features
from quiesce.sim.gates.calibration.fit import Coefficients, Sample
from quiesce.sim.gates.calibration.floor import Floor
from quiesce.sim.gates.calibration.measurement import Facts
from quiesce.sim.gates.calibration.netlist_energy import NetlistWindow
from quiesce.sim.gates.replay.recording import Recording
from quiesce.sim.gates.replay.stimulus import WAITING, Stimulus
from quiesce.spec.performance import Counter


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> list[NetlistWindow]:
    """One layer of 500 MACs in 100 cycles; what synthesis and timing would do is left out."""
    counters = dict.fromkeys(Counter, 0) | {Counter.EFFECTUAL_MACS: 500}
    recording = Recording({"rst": np.zeros((120, 1), bool)}, {}, ())
    stimulus = Stimulus(recording, {3: "fc[1]"}, {3: counters}, {})
    energy = {
        "mac": {"logic": 600.0, "clock": 300.0, "leakage": 100.0}, "dma": {"logic": 1000.0, "clock": 2000.0, "leakage": 500.0}
    }  # fmt: skip
    found = [NetlistWindow(None, stimulus, 3, 100, energy)]  # type: ignore[arg-type]
    monkeypatch.setattr("quiesce.sim.gates.calibration.netlist_energy.measure_windows", lambda *args, **kwargs: found)
    monkeypatch.setattr(
        "quiesce.sim.gates.synth.core_netlist.synthesize_core", lambda *args, **kwargs: SimpleNamespace(netlist=None, rams={})
    )
    monkeypatch.setattr("quiesce.sim.gates.analysis.flat.flatten", lambda *args: None)
    monkeypatch.setattr("quiesce.sim.gates.analysis.timing.analyse_timing", lambda flat: SimpleNamespace(period_ns=4.0))
    return found


def test_energy_of_a_network_on_gates(quiesce: Callable[..., Result], windows: list[NetlistWindow], tmp_path: Path) -> None:
    path = tmp_path / "gates.json"
    result = quiesce("gatesim", "mlp3", "--json", path)
    assert result.exit_code == 0, result.output
    assert "fc[1]: 100 cycles, 4.50 nJ; 9.0 pJ per effectual MAC, 2.00 in the multipliers" in result.stdout
    assert "all outputs of the netlist equal those of the RTL in each of 120 cycles" in result.stdout
    report = json.loads(path.read_text())
    assert report["layers"][0]["picojoules"]["dma"]["clock"] == 2000.0
    assert report["period_ns"] == 4.0 and report["compared_cycles"] == 120


def test_power_of_a_waiting_core(quiesce: Callable[..., Result], windows: list[NetlistWindow]) -> None:
    stimulus = windows[0].stimulus.with_waiting(50)
    assert stimulus.recording.cycles == 170 and stimulus.windows(WAITING) == ((120, 170),)
    windows.append(NetlistWindow(None, stimulus, WAITING, 50, {"mac": {"logic": 0.0, "clock": 300.0, "leakage": 100.0}}))  # type: ignore[arg-type]
    result = quiesce("gatesim", "mlp3", "--waiting", 50, "--json", "-")
    report = json.loads(result.stdout)
    assert [layer["layer"] for layer in report["layers"]] == ["fc[1]"]
    assert report["waiting"]["cycles"] == 50 and report["waiting"]["picojoules"]["mac"]["clock"] == 300.0
    # 300 pJ in 50 cycles of 4 ns.
    assert "1.50" in quiesce("gatesim", "mlp3", "--waiting", 50).stdout


def test_a_netlist_that_differs_is_bad_input(
    rejects: Callable[..., str], windows: list[NetlistWindow], monkeypatch: pytest.MonkeyPatch
) -> None:
    def differ(*args: object, **kwargs: object) -> None:
        raise NetlistError("the netlist differs from the RTL: run 0, cycle 7, output irq[0] is 1 instead of 0")

    monkeypatch.setattr("quiesce.sim.gates.calibration.netlist_energy.measure_windows", differ)
    assert rejects("gatesim", "mlp3").startswith("the netlist differs from the RTL: run 0, cycle 7, output irq[0]")


def test_what_cannot_run_is_refused_before_synthesis(rejects: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quiesce.sim.gates.synth.core_netlist.synthesize_core", None)
    assert rejects("gatesim", "mlp3", "--set", "n_cores=2").startswith("gatesim: n_cores=2: ")
    assert "winners need a core with winner_depth" in rejects("gatesim", "mlp3-winners", "--preset", "tiny")


def test_calibration(quiesce: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    toggle, work = {"mac": 10.0, "fifo": 5.0, "psums": 6.0}, {"mac": 300.0, "fifo": 9.0, "psums": 4.0}
    true = Coefficients(toggle, work, clock=12.0, gate=18.0, bit=8.0)

    def measure(case: object, *args: object, **kwargs: object) -> list[Sample]:
        rng = np.random.default_rng(len(case.name))  # type: ignore[attr-defined]
        samples = []
        for index in range(8):
            toggles = {class_: float(rng.integers(100, 9000)) for class_ in true.toggle}
            done = {class_: float(rng.integers(100, 9000)) for class_ in work}
            features = Features(toggles, float(rng.integers(100, 9000)), float(rng.integers(100, 9000)), done)
            logic = {class_: true.logic_pj(class_, features) for class_ in toggles}
            fitted = case.name == "base" and index < 6  # type: ignore[attr-defined]
            samples.append(Sample(case.name, f"w{index}", "conv", fitted, features, logic, true.clock_pj(features)))  # type: ignore[attr-defined]
        return samples

    floor = Floor(1.0, 0.5, 400, 600.0)
    monkeypatch.setattr("quiesce.sim.gates.calibration.netlist_energy.measure", measure)
    monkeypatch.setattr("quiesce.sim.gates.calibration.floor.measure_floor", lambda *args: floor)
    facts = Facts("base", "f00d", 260.0, 180.0, 0.3, floor)
    monkeypatch.setattr("quiesce.sim.gates.calibration.netlist_energy.reference_facts", lambda *args: facts)
    out, report, image = tmp_path / "calibration.toml", tmp_path / "report.json", tmp_path / "plot.svg"
    result = quiesce("calibrate", "--out", out, "--plot", image, "--json", report)
    assert result.exit_code == 0, result.output
    assert "held out: total" in result.stdout and "floor: 1.50 pJ" in result.stdout
    data = tomllib.loads(out.read_text())
    assert data["toggle"]["classes"]["mac"] == 10.0 and data["floor"]["mac_pj"] == 1.5
    found = json.loads(report.read_text())
    assert found["held_out"]["total_error"] == pytest.approx(0, abs=1e-9)
    assert found["coefficients_fj"]["clock"] == pytest.approx(12.0)
    assert b"<svg" in image.read_bytes()
    monkeypatch.setattr("quiesce.sim.gates.calibration.netlist_energy.measure", None)
    again = tmp_path / "again.toml"
    assert quiesce("calibrate", "--from", report, "--out", again).exit_code == 0
    assert again.read_text() == out.read_text()


def test_bad_options_of_calibrate(rejects: Callable[..., str], tmp_path: Path) -> None:
    assert "must end in" in rejects("calibrate", "--plot", "plot.txt")
    report = tmp_path / "report.json"
    report.write_text("{}")
    assert "report.json: not a report of quiesce calibrate" in rejects("calibrate", "--from", report)
    assert "leave --liberty and --glitches out" in rejects("calibrate", "--from", report, "--glitches", 2)
