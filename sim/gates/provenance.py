"""The calibrated part of the coefficient table: a TOML file with where its figures are from."""

from collections.abc import Sequence
from dataclasses import dataclass

from quiesce.sim.gates.calibration import Calibration, Check
from quiesce.sim.gates.floor import Floor
from quiesce.sim.gates.library import Library

__all__ = ["Facts", "calibration_toml"]


@dataclass(frozen=True)
class Facts:
    """What the netlist of the reference core says beside its toggles.

    Parameters
    ----------
    case : str
        The core.
    digest : str
        SHA-256 of its Verilog.
    mhz : float
        Highest clock frequency.
    leakage_nw : float
        Per flip-flop, with its share of the logic.
    tree : float
        Energy of wires and buffers of the clocks, relative to what they drive.
    floor : Floor
    """

    case: str
    digest: str
    mhz: float
    leakage_nw: float
    tree: float
    floor: Floor


def calibration_toml(
    calibration: Calibration, facts: Facts, held_out: tuple[Sequence[Check], Sequence[Check]], n_fitted: int, library: Library,
    glitches: float,
) -> str:  # fmt: skip
    """Text of the file.

    Parameters
    ----------
    held_out : tuple of (list of Check, list of Check)
        By class, and by window, of the workloads that were not fitted.
    n_fitted : int
        Windows that were.
    """
    parts, windows = held_out
    worst = max(abs(check.error) for check in windows)
    total = sum(check.estimated for check in windows) / sum(check.picojoules for check in windows) - 1
    origin = (
        f"fit to gate-level energy of {n_fitted} windows of the core {facts.case}, library {library.name} at "
        f"{library.voltage:g} V, glitch factor {glitches:g}"
    )
    share = 1 + facts.tree
    toggles = "\n".join(f'"{class_}" = {max(value, 0.01):.2f}' for class_, value in sorted(calibration.toggle.items()))
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
source = "netlist of the core {facts.case}: all cells' leakage by flip-flops; {library.name}"

[floor]
mac_pj = {facts.floor.picojoules:.2f}
source = "netlist of a multiplier of 8 bits and an accumulator, one pair of operands a cycle; {library.name}"

[fifo]
bit_energy_fj = {calibration.logic_bit + calibration.clock_bit:.2f}
source = "{origin}"

[calibration]
total_error = {worst:.3f}
source = "largest error of a whole window on {len(windows)} windows of other layers, densities, modes and numbers of PEs; \
all together {total:+.1%}; library {library.name}, SHA-256 {library.digest}; Verilog of {facts.case}, SHA-256 {facts.digest}"

# Relative errors on those windows, all together.
[calibration.classes]
{errors}
"""
