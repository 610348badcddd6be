"""Tables and totals of a co-simulation, from made-up runs."""

import io
from dataclasses import replace

import pytest
from rich.console import Console
from rich.table import Table

from quiesce.cli.report import energy_lines, energy_table, layer_table, totals
from quiesce.sim.result import Run


def cells(table: Table) -> list[list[str]]:
    """What a table shows, row by row, without lines."""
    console = Console(file=io.StringIO(), width=200)
    with console.capture() as capture:
        console.print(table)
    lines = [line.replace("┃", "│") for line in capture.get().splitlines()]
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]


def test_layer_table_is_per_image(run: Run) -> None:
    header, conv, linear, all_layers = cells(layer_table(run, None))
    assert header == ["layer", "kind", "dense MACs", "effectual MACs", "events", "cycles", "lane use", "bound", "energy, nJ"]
    assert conv == ["conv", "conv", "40,000", "4,000", "500", "300", "83.3%", "100.0%", "2.00"]
    assert linear == ["fc", "linear", "8,000", "400", "50", "50", "50.0%", "62.5%", "0.25"]
    assert all_layers == ["all", "", "48,000", "4,400", "550", "350", "78.6%", "", "2.25"]


def test_speed_up_is_over_dense_mode(run: Run, dense_run: Run) -> None:
    header, conv, linear, all_layers = cells(layer_table(run, dense_run))
    at = header.index("speed-up")
    assert [row[at] for row in (conv, linear, all_layers)] == ["10.00x", "4.00x", "9.14x"]


def test_without_energy_there_is_no_column(run: Run) -> None:
    quiet = replace(run, energy_items=0, layers=tuple(replace(layer, energy_pj={}) for layer in run.layers))
    assert "energy, nJ" not in cells(layer_table(quiet, None))[0]
    assert not any("energy" in line for line in totals(quiet, None, "x"))


def test_energy_table_adds_up(run: Run) -> None:
    header, conv, linear, share, all_layers = cells(energy_table(run))
    assert header == ["layer", "mac", "clock", "all", "off-chip", "pJ per MAC"]
    assert conv == ["conv", "1.50", "0.50", "2.00", "0.30", "0.50"]
    assert linear == ["fc", "0.20", "0.05", "0.25", "0.30", "0.62"]
    assert share == ["share", "75.6%", "24.4%", "", "", ""]
    assert all_layers == ["all", "1.70", "0.55", "2.25", "0.60", "0.51"]


def test_totals_compare_modes(run: Run, dense_run: Run) -> None:
    lines = dict(line.split(": ", 1) for line in totals(run, dense_run, "made up"))
    assert lines["inputs"] == "2 images, made up; in dense mode 1 image"
    assert lines["accuracy"] == "50.00%"
    assert lines["bit-exact with the integer reference"] == "yes, both modes"
    assert lines["cycles per inference"] == "350 (dense mode 3,200: 9.14x)"
    assert lines["energy per inference"] == "2.25 nJ (dense mode 9.00 nJ: 4.00x), measured over 1 image"
    assert lines["energy leaves out"] == "leakage"
    assert lines["simulation"] == "1.50 million cycles/s"


def test_energy_in_figures(run: Run) -> None:
    """2.25 nJ for 4,400 MACs in 350 cycles."""
    lines = list(energy_lines(run))
    assert lines[0].endswith("no interval")
    assert "per effectual MAC: 0.51 pJ, 1.0 times a bare multiplier and adder (0.5 pJ)" in lines
    assert "at 100 MHz: 0.64 mW, 3.911 TOPS/W, 42.667 if skipped MACs counted" in lines
    assert "without clock gates: 3.70 nJ" in lines
    assert "off-chip memory, not in these figures: 0.60 nJ" in lines
    calibrated = replace(run, energy_basis=run.energy_basis | {"error": 0.2})
    assert next(energy_lines(calibrated)) == "interval by the error of the calibration, 20%: 1.80 to 2.70 nJ"
    assert list(energy_lines(replace(run, energy_items=0))) == []


@pytest.mark.parametrize("wrong", ["run", "dense"])
def test_totals_name_the_first_difference(run: Run, dense_run: Run, wrong: str) -> None:
    broken = {"bit_exact": False, "mismatch": "layer 'fc': 3 for 4"}
    pair = (replace(run, **broken), dense_run) if wrong == "run" else (run, replace(dense_run, **broken))
    assert "bit-exact with the integer reference: no: layer 'fc': 3 for 4" in list(totals(*pair, "x"))
