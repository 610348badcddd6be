"""``quiesce synth``."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from quiesce.sim.core_text import CoreText
from tests.sim.gates.cells import liberty

ADDER = """\
module quiesce_array_pe_lanes_mac (input clk, input en, input [3:0] a, output reg [7:0] product = 0);
  always @(posedge clk) if (en) product <= a * a;
endmodule
module quiesce_csr (input clk, input a, output reg q = 0);
  always @(posedge clk) q <= a;
endmodule
"""
PATHS = {"quiesce_array_pe_lanes_mac": "cluster/core_0/array/pe_0/lanes/mac", "quiesce_csr": "csr"}


@pytest.fixture(autouse=True)
def core(monkeypatch: pytest.MonkeyPatch) -> None:
    """A core of two small modules."""
    monkeypatch.setattr("quiesce.sim.gates.synth.core_netlist.core_text", lambda config: CoreText(ADDER, ADDER, {}, PATHS))


def test_a_module_as_gates(quiesce: Callable[..., Result], tmp_path: Path) -> None:
    path = tmp_path / "mac.json"
    result = quiesce("synth", "--module", "lanes_mac", "--json", path)
    assert result.exit_code == 0, result.output
    assert "clock period: " in result.stdout and "│ mac " in result.stdout
    report = json.loads(path.read_text())
    assert list(report["classes"]) == ["mac"]
    assert report["total"]["flip_flops"] == 8 and report["total"]["clock_gates"] == 1
    assert report["timing"]["period_ns"] > 0.1 and report["library"]["name"] == "NangateOpenCellLibrary"


def test_options_reach_the_flow(quiesce: Callable[..., Result]) -> None:
    result = quiesce("synth", "--module", "lanes_mac", "--no-clock-gates", "--goal", "speed", "--json", "-")
    report = json.loads(result.stdout)
    assert report["total"]["clock_gates"] == 0 and report["goal"] == "speed" and result.stderr == ""


def test_bad_input_is_named(rejects: Callable[..., str], tmp_path: Path) -> None:
    assert rejects("synth", "--module", "pe_9").startswith("module 'pe_9': none ends like this; there are ")
    assert rejects("synth", "--set", "n_pes=0") == "n_pes: 0 is not in 1..64"
    bad = tmp_path / "bad.lib"
    bad.write_text("library (x) {\n  time_unit : ;\n}")
    assert rejects("synth", "--liberty", bad) == f"{bad}: line 2: a value is missing before ';'"


def test_the_name_of_a_library_does_not_matter(quiesce: Callable[..., Result], tmp_path: Path) -> None:
    path = tmp_path / "an \"odd' name.lib"
    path.write_text(liberty())
    result = quiesce("synth", "--module", "lanes_mac", "--liberty", path)
    assert result.exit_code == 0, result.output
