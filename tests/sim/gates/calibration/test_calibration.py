"""Fitting the RTL's energy coefficients, and the file that they are kept in."""

import json
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quiesce.sim.energy.module_activity import ModuleActivity
from quiesce.sim.energy.monitors import Clocks
from quiesce.sim.energy.table import CALIBRATION, DEFAULT_TABLE, load_table
from quiesce.sim.gates.calibration.features import Features, features_of
from quiesce.sim.gates.calibration.fit import Coefficients, Sample, fit, validate
from quiesce.sim.gates.calibration.fit_plot import plot
from quiesce.sim.gates.calibration.floor import measure_floor
from quiesce.sim.gates.calibration.measurement import CellProcess, Facts, Measurement, read_measurement
from quiesce.sim.gates.calibration.provenance import calibration_toml
from quiesce.sim.gates.calibration.workloads import workloads
from quiesce.sim.gates.errors import GateError
from quiesce.sim.gates.liberty.reader import default_liberty, read_library
from quiesce.spec.config import preset
from quiesce.spec.performance import Counter
from tests.sim.gates.cells import write_liberty

TRUE = Coefficients(
    toggle={"mac": 12.0, "dma": 3.0, "fifo": 7.0, "psums": 0.0},
    work={"mac": 500.0, "fifo": 15.0, "psums": 5.0},
    clock=11.0,
    gate=20.0,
    bit=10.0,
)


def _sample(seed: int, fitted: bool, noise: float = 0.0) -> Sample:
    rng = np.random.default_rng(seed)

    def count() -> float:
        return float(rng.integers(1000, 100_000))

    features = Features({class_: count() for class_ in TRUE.toggle}, count(), count(), {class_: count() for class_ in TRUE.work})
    logic = {class_: TRUE.logic_pj(class_, features) * (1 + noise * rng.normal()) for class_ in TRUE.toggle}
    return Sample("base", f"work {seed}", "conv", fitted, features, logic, TRUE.clock_pj(features))


def test_it_finds_the_coefficients() -> None:
    found = fit([_sample(seed, True) for seed in range(8)])
    assert found.toggle == pytest.approx(TRUE.toggle, abs=1e-6)
    assert found.work == pytest.approx(TRUE.work)
    assert (found.clock, found.gate, found.bit) == pytest.approx((11.0, 20.0, 10.0))


def test_held_out_samples_are_not_looked_at() -> None:
    rows = [_sample(seed, True) for seed in range(8)]
    wrong = [replace(_sample(seed, False), clock=1e9) for seed in range(20, 24)]
    assert fit(rows + wrong) == fit(rows)
    with pytest.raises(GateError, match="no workload to fit"):
        fit(wrong)


def test_errors_are_relative_by_class_and_by_window() -> None:
    samples = [_sample(seed, False) for seed in range(3)]
    half = replace(TRUE, toggle=TRUE.toggle | {"mac": 6.0}, work=TRUE.work | {"mac": 250.0})
    classes, windows = validate(samples, half)
    errors = {check.name: check.error for check in classes}
    assert errors == pytest.approx({"mac": -0.5, "dma": 0.0, "fifo": 0.0, "psums": 0.0, "clock": 0.0})
    for sample, check in zip(samples, windows, strict=True):
        assert check.name == f"base: {sample.workload}: conv"
        assert check.error == pytest.approx(-0.5 * sample.logic["mac"] / sample.picojoules)


def test_coefficients_are_never_negative() -> None:
    found = fit([_sample(seed, True, noise=0.5) for seed in range(4)])
    assert min(*found.toggle.values(), *found.work.values(), found.clock, found.gate, found.bit) >= 0


def test_features_are_sums_over_modules() -> None:
    config = preset("tiny")
    clocks = {"cluster/core_0/array/pe_0/mac": Clocks(20, 8, 4, 1, 1), "csr": Clocks(5, word_bits=24, word_gates=3)}
    activity = {
        "cluster/core_0/array/pe_0/mac": ModuleActivity(70, 16, 2, 6),
        "cluster/core_0/array/pe_1/mac": ModuleActivity(30),
    }
    counters = dict.fromkeys(Counter, 0) | {Counter.CYCLES: 10, Counter.FIFO_PUSHES: 3, Counter.MACS: 7}
    found = features_of(load_table(), config, clocks, counters, activity)
    assert found.toggles["mac"] == 100
    assert found.clocked == 10 * (8 + 5) + 16 + 2
    assert found.gates == 10 * (2 + 3) + 6
    assert found.work == {"mac": 7, "fifo": 3 * (14 + 8 + 2), "psums": 7 * (24 + 8 - 4), "detector": 3}


def test_workloads_to_fit_and_to_validate_differ() -> None:
    cases = workloads()
    assert len({case.config for case in cases}) == len(cases) >= 3
    for case in cases:
        names = [workload.name for workload in case.workloads]
        assert len(set(names)) == len(names)
        assert any(not workload.fitted for workload in case.workloads)
    fitted = {(case.name, workload.name) for case in cases for workload in case.workloads if workload.fitted}
    assert {name for name, _ in fitted} == {"base"} and len(fitted) >= 8
    assert any(workload.dense for case in cases for workload in case.workloads)


def test_the_floor(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    values, weights = (rng.integers(-128, 128, 300).astype(np.int8) for _ in range(2))
    library = read_library(default_liberty())
    floor = measure_floor(library, values, weights)
    assert 0.5 < floor.picojoules < 3.0 and floor.cells > 100
    still = measure_floor(library, np.zeros_like(values), np.zeros_like(weights))
    assert still.logic_pj == 0 and still.clock_pj > 0
    glitches = measure_floor(library, values, weights, glitches=2.0)
    assert floor.logic_pj < glitches.logic_pj < 2 * floor.logic_pj  # registers have none


def _measurement(tmp_path: Path, glitches: float = 1.5) -> Measurement:
    library = read_library(write_liberty(tmp_path))
    floor = measure_floor(library, np.arange(50, dtype=np.int8), np.arange(50, dtype=np.int8))
    samples = [_sample(seed, seed < 8) for seed in range(11)]
    return Measurement(CellProcess.of(library, glitches), Facts("base", "f00d", 250.0, 100.0, 0.25, floor), samples)


def test_the_file_has_every_figure_and_its_origin(tmp_path: Path) -> None:
    measurement = _measurement(tmp_path)
    wrong = replace(TRUE, toggle=TRUE.toggle | {"mac": 13.0})
    data = tomllib.loads(calibration_toml(wrong, measurement))
    assert data["toggle"]["classes"] == {"mac": 13.0, "dma": 3.0, "fifo": 7.0, "psums": 0.01}
    assert data["flip_flop"]["clock_energy_fj"] * 1.25 == pytest.approx(11.0)
    assert data["clock"]["gate_energy_fj"] * 1.25 == pytest.approx(20.0)
    assert data["work"]["classes"] == {"mac": 500.0, "fifo": 25.0, "psums": 5.0}
    worst = max(abs(check.error) for check in validate(measurement.samples[8:], wrong)[1])
    assert data["calibration"]["total_error"] == pytest.approx(worst, abs=1e-3)
    assert measurement.process.sha256 in data["calibration"]["source"] and "SHA-256 f00d" in data["calibration"]["source"]
    assert "8 windows" in data["toggle"]["source"] and "glitch factor 1.5" in data["toggle"]["source"]
    assert all(section["source"] for section in data.values())


def test_what_was_measured_can_be_kept(tmp_path: Path) -> None:
    measurement, path = _measurement(tmp_path), tmp_path / "report.json"
    path.write_text(json.dumps({"measurement": measurement.to_json()}))
    assert read_measurement(path) == measurement


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda entry: entry.pop("samples"), "field `samples`"),
        (lambda entry: entry["samples"][3].pop("logic"), r"field `logic` - at `\$\.samples\[3\]`"),
        (lambda entry: entry["samples"][0].update(clock="high"), r"got `str` - at `\$\.samples\[0\]\.clock`"),
        (lambda entry: entry["facts"].update(floor=[]), r"got `array` - at `\$\.facts\.floor`"),
        (lambda entry: entry.update(process=None), r"got `null` - at `\$\.process`"),
        (lambda entry: entry["facts"].update(hertz=1), r"unknown field `hertz` - at `\$\.facts`"),
    ],
)
def test_a_report_without_its_measurement(tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str) -> None:
    path = tmp_path / "report.json"
    entry = _measurement(tmp_path).to_json()
    change(entry)
    path.write_text(json.dumps({"measurement": entry}))
    with pytest.raises(GateError, match=f"report.json: not a report of quiesce calibrate.*{message}"):
        read_measurement(path)


def test_the_plot_is_the_same_for_the_same_samples(tmp_path: Path) -> None:
    samples = [_sample(seed, seed < 4, noise=0.1) for seed in range(8)]
    for name in ("one.svg", "two.svg"):
        plot(tmp_path / name, samples, TRUE)
    image = (tmp_path / "one.svg").read_bytes()
    assert b"<svg" in image and image == (tmp_path / "two.svg").read_bytes()


def test_the_shipped_coefficients_are_those_of_the_shipped_measurement() -> None:
    measurement = read_measurement(Path(__file__).parents[4] / "docs" / "calibration.json")
    assert DEFAULT_TABLE.with_name(CALIBRATION).read_text() == calibration_toml(fit(measurement.samples), measurement)
