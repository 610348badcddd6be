"""Reading cell libraries."""

from pathlib import Path

import pytest

from quiesce.sim.gates.errors import LibertyError
from quiesce.sim.gates.liberty.reader import default_liberty, read_library
from tests.sim.gates.cells import GATES, liberty, write_liberty


def _error(tmp_path: Path, text: str) -> str:
    path = tmp_path / "bad.lib"
    path.write_text(text)
    with pytest.raises(LibertyError) as caught:
        read_library(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


def test_cells_in_fixed_units(tmp_path: Path) -> None:
    library = read_library(write_liberty(tmp_path))
    assert (library.name, library.voltage) == ("tiny", 1.0)
    nand = library.cells["NAND2"]
    assert nand.computes(2, "1110") and not nand.sequential
    assert (nand.area, nand.leakage_nw, nand.pins["A"].capacitance) == (2.0, 5.0, 1.0)
    delay = nand.pins["Y"].arcs[0].tables["cell_rise"]
    assert delay.at(0.5, 20.0) == pytest.approx(0.1 + 0.5 + 0.2)  # the load is the table's first axis, and is extrapolated
    register = library.cells["DFF"].flip_flop
    assert register is not None and register.state == "IQ"
    gate = library.cells["GATE"].clock_gate
    assert gate is not None and (gate.clock, gate.enable, gate.output, gate.tests) == ("CK", "E", "GCK", ())
    assert {name for name, cell in library.cells.items() if not cell.usable} == {"DFFR", "TRI", "PAD"}
    assert library.wire(3) == pytest.approx(1.2)


def test_units_of_the_file_are_converted(tmp_path: Path) -> None:
    path = tmp_path / "pico.lib"
    path.write_text(liberty().replace("(1, ff)", "(1, pf)").replace('"1ns"', '"10ps"').replace('"1nW"', '"1uW"'))
    library = read_library(path)
    nand = library.cells["NAND2"]
    assert nand.pins["A"].capacitance == pytest.approx(1000.0)
    assert nand.leakage_nw == pytest.approx(5000.0)
    assert nand.pins["Y"].arcs[0].tables["cell_rise"].at(0.0, 0.0) == pytest.approx(0.001)
    power = nand.pins["Y"].power[0].rise
    assert power is not None and power.at(0.0, 0.0) == pytest.approx(2000.0)


def test_a_wire_load_of_the_library_is_used(tmp_path: Path) -> None:
    path = tmp_path / "wires.lib"
    lengths = "fanout_length (1, 2); fanout_length (3, 8);"
    load = f'default_wire_load : "w"; wire_load ("w") {{ capacitance : 0.5; slope : 4; {lengths} }}\n'
    path.write_text(liberty().replace("nom_voltage", load + "nom_voltage"))
    library = read_library(path)
    assert [library.wire(n) for n in (0, 1, 2, 3, 5)] == [0.0, 1.0, 2.5, 4.0, 8.0]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("}\n", "", "the file ends within group"),
        ("library (tiny)", "library tiny", "line 2: neither ':' nor '(' behind 'library'"),
        ("library (tiny)", "cells (tiny)", "no library groups"),
        ("nom_voltage : 1.0;", "", "line 2: library tiny has no nom_voltage"),
        ("nom_voltage : 1.0;", "nom_voltage : one;", "line 4: nom_voltage: 'one' is not a number"),
        ("nom_voltage : 1.0;", "nom_voltage : nan;", "line 4: nom_voltage: 'nan' is not a number"),
        ('"1ns"', '"1 parsec"', "line 3: time_unit '1 parsec' is not a unit"),
        ('"!(A & B)"', '"!(A & B"', "function: a parenthesis stays open"),
        ('"!(A & B)"', '"!(A & Z)"', "function: no pin 'Z'"),
        ('index_1 ("0, 10")', 'index_1 ("10, 0")', "index_1 is not increasing"),
        ('index_1 ("0, 10")', 'index_1 ("0, 10, 20")', "4 values where 3 x 2 belong"),
        ("(delay) { variable_1", "(other) { variable_1", "no template 'delay'"),
        ("direction : output", "direction : sideways", "pin Y: direction 'sideways'"),
        ('next_state : "D";', "", "ff has no clocked_on or no next_state"),
        ("clock_gate_enable_pin : true;", "", "cell GATE: a clock gate without its pins marked"),
        ("cell (NOR2)", "cell (NAND2)", "cell 'NAND2' occurs twice"),
        ("cell (NOR2)", "cell ()", "a cell without a name"),
        ("area : 6", "area : -6", "cell DFF: area -6 is negative"),
        ("capacitance : 1;", "capacitance : -1;", "pin A: capacitance -1 is negative"),
    ],
)
def test_a_malformed_file_is_named_with_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = liberty()
    assert old in text
    at = text.rindex(old) if old == "}\n" else text.index(old)
    assert message in _error(tmp_path, text[:at] + new + text[at + len(old) :])


def test_a_file_that_is_none(tmp_path: Path) -> None:
    assert _error(tmp_path, "} ").startswith("line 1: '}' closes a group")
    assert _error(tmp_path, "library (x) { }") == "line 1: library x holds no cells"
    assert _error(tmp_path, "a (" * 50).startswith("line 1: '(' in a list of values")
    assert _error(tmp_path, "a () {" * 50) == "line 1: groups nested deeper than 32"
    assert _error(tmp_path, 'library (x) { date : "open').startswith("line 1: a value is missing")
    binary = tmp_path / "binary.lib"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(LibertyError, match="not a text file"):
        read_library(binary)
    with pytest.raises(LibertyError, match="No such file"):
        read_library(tmp_path / "missing.lib")


@pytest.mark.parametrize(
    ("without", "missing"),
    [
        (["DFF"], "a flip-flop"),
        (["INV"], "an inverter"),
        (["NAND2", "NOR2", "AND2"], "an AND, OR, NAND or NOR of two inputs"),
        ([*GATES, "DFF"], "an inverter, an AND, OR, NAND or NOR of two inputs, a flip-flop"),
    ],
)
def test_missing_cells_are_named(tmp_path: Path, without: list[str], missing: str) -> None:
    path = write_liberty(tmp_path, without)
    with pytest.raises(LibertyError) as caught:
        read_library(path)
    assert str(caught.value) == f"{path}: library tiny lacks {missing}"


def test_the_default_library() -> None:
    library = read_library(default_liberty())
    assert (library.name, library.voltage, library.inverter.name) == ("NangateOpenCellLibrary", 1.1, "INV_X1")
    assert library.clock_gate is not None and library.clock_gate.name == "CLKGATE_X1"
    assert library.wire_load is not None and library.wire_load.name == "5K_hvratio_1_1"
    assert library.cells["DFF_X1"].pins["D"].capacitance == pytest.approx(1.14029)
