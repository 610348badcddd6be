"""Simulator builds: ports, errors, cache."""

import re

import pytest

from quiesce.sim import build, runner
from quiesce.sim.build import build_simulator, port_width
from quiesce.sim.cache import cache_dir
from quiesce.sim.errors import BuildError
from tests.sim import standin


def test_port_widths_are_read_from_the_verilog() -> None:
    assert port_width(standin.VERILOG, "m_axi_wdata") == 64
    assert port_width(standin.VERILOG, "m_axi_arid") == 1
    assert port_width(standin.VERILOG, "irq") == 1
    other = "module other(input [6:0] a);\nendmodule\nmodule quiesce(a, b);\n  input [3:0] a;\n  output b;\nendmodule\n"
    assert port_width(other, "a") == 4


@pytest.mark.parametrize(
    ("verilog", "message"),
    [
        ("module other; endmodule", "holds no module 'quiesce'"),
        (standin.VERILOG.replace("m_axi_arid", "m_axi_id"), "has no port 'm_axi_arid'"),
        (standin.VERILOG.replace("assign irq", ""), None),
    ],
)
def test_ports_are_checked_first(verilog: str, message: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "_compile", lambda *args, **options: None)
    monkeypatch.setattr(build, "cached", lambda kind, key, make: (None, False))
    if message is None:
        build_simulator(verilog, mark=standin.MARK)
    else:
        with pytest.raises(BuildError, match=message):
            build_simulator(verilog, mark=standin.MARK)


def test_rejected_verilog_is_reported_with_its_line() -> None:
    with pytest.raises(BuildError, match=r"does not build:\n.*quiesce\.v:\d+:\d+: syntax error"):
        build_simulator(standin.VERILOG.replace("always_ff", "always_if"), mark=standin.MARK)


def test_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner.shutil, "which", lambda tool: None if tool == "g++" else f"/usr/bin/{tool}")
    runner.tool_versions.cache_clear()
    with pytest.raises(BuildError, match=r"g\+\+ is not installed"):
        build_simulator(standin.VERILOG, mark=standin.MARK)


def test_second_build_comes_from_the_cache() -> None:
    first = build_simulator(standin.VERILOG, mark=standin.MARK)
    second = build_simulator(standin.VERILOG, mark=standin.MARK)
    assert second.hit
    assert second.executable == first.executable
    assert second.executable.is_file()
    kept = {path.suffix for path in second.folder.iterdir() if path != second.executable}
    assert kept <= {".v", ".log"}


def test_the_run_time_library_is_compiled_once() -> None:
    build_simulator(standin.VERILOG, mark=standin.MARK)
    other = build_simulator(standin.VERILOG + "// another text\n", mark=standin.MARK)
    log = (other.folder / "build.log").read_text()
    assert "-o bench.o" in log and "-o verilated.o" not in log
    (link,) = (line for line in log.splitlines() if line.endswith("-o tb"))
    assert all(path.startswith(f"{cache_dir()}/runtime/") for path in re.findall(r"\S*verilated\w*\.o", link))
