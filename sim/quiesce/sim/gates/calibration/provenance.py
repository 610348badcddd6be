"""The calibrated part of the coefficient table: a TOML file with where its figures are from."""

from quiesce.sim.energy.class_work import STORED
from quiesce.sim.gates.calibration.fit import Coefficients, validate
from quiesce.sim.gates.calibration.measurement import Measurement

__all__ = ["calibration_toml"]


def calibration_toml(calibration: Coefficients, measurement: Measurement) -> str:
    """Text of the file: coefficients, and their errors on the samples that they were not fitted to."""
    facts, process = measurement.facts, measurement.process
    parts, windows = validate([sample for sample in measurement.samples if not sample.fitted], calibration)
    worst = max(abs(check.error) for check in windows)
    total = sum(check.estimated for check in windows) / sum(check.picojoules for check in windows) - 1
    n_fitted = sum(sample.fitted for sample in measurement.samples)
    origin = (
        f"fit to gate-level energy of {n_fitted} windows of the core {facts.case}, library {process.library} at "
        f"{process.voltage:g} V, glitch factor {process.glitches:g}"
    )
    share = 1 + facts.tree
    toggles = "\n".join(f'"{class_}" = {max(value, 0.01):.2f}' for class_, value in sorted(calibration.toggle.items()))
    # Of a bit through storage the clock pins, too; the table knows no work without energy.
    energies = {class_: value + calibration.bit * (class_ == STORED) for class_, value in sorted(calibration.work.items())}
    work = "\n".join(f'"{class_}" = {value:.2f}' for class_, value in energies.items() if value >= 0.01)
    errors = "\n".join(f'"{check.name}" = {check.error:.3f}' for check in parts)
    return f"""\
# Coefficients fitted to netlists; they replace those of the same name in coefficients.toml. Written by `quiesce calibrate`.

[toggle]
source = "{origin}"

[toggle.classes]
{toggles}

[flip_flop]
clock_energy_fj = {calibration.clock / share:.2f}
source = "{origin}"

[clock]
gate_energy_fj = {calibration.gate / share:.2f}
tree = {facts.tree:.2f}
frequency_mhz = {facts.mhz:.0f}
source = "{origin}; tree and frequency estimated from the netlist"

[leakage]
flip_flop_nw = {facts.leakage_nw:.0f}
source = "netlist of the core {facts.case}: all cells' leakage by flip-flops; {process.library}"

[floor]
mac_pj = {facts.floor.picojoules:.2f}
source = "netlist of a multiplier of 8 bits and an accumulator, one pair of operands a cycle; {process.library}"

[work]
source = "{origin}"

[work.classes]
{work}

[calibration]
total_error = {worst:.3f}
source = "largest error of a whole window on {len(windows)} windows of other layers, densities, modes and numbers of PEs; \
all together {total:+.1%}; library {process.library}, SHA-256 {process.sha256}; Verilog of {facts.case}, SHA-256 {facts.digest}"

# Relative errors on those windows, all together.
[calibration.classes]
{errors}
"""
