"""Simulators built from the Verilog of a core with Verilator and kept in the cache."""

import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cocotb_tools.runner import VerilatorControlFile
from cocotb_tools.runner import Verilog as VerilogTag

from quiesce.sim.cache import cached, content_key
from quiesce.sim.errors import BuildError
from quiesce.sim.runner import WheelVerilator, tool_versions

__all__ = [
    "HDL", "HDL_FOLDER", "NO_MARK", "Simulator", "bench_parameters", "build_agents", "build_simulator", "counter_mark",
    "port_width",
]  # fmt: skip

HDL_FOLDER = Path(__file__).resolve().parent / "hdl"
HDL = tuple(HDL_FOLDER / name for name in ("axi_memory.sv", "axil_host.sv", "tb.sv"))
"""Sources of the bench around a core."""
_CODE = (Path(__file__), Path(__file__).with_name("runner.py"))
"""What a build depends on, besides its sources."""
_CONTROL = HDL_FOLDER / "tb.vlt"
_COMMON_CPP = ("bench.h", "bench.cpp", "clocking.h", "toggles.h")
_MAIN = {"cocotb": "cocotb_main.cpp", "loop": "loop_main.cpp", "faults": "faults_main.cpp"}

_COUNTERS = "cluster.core_0.counters"

NO_MARK = "9'd0"
"""Mark of a core that does not show when it moves its counters: nothing is windowed."""


# Modules that occur many times stay functions of their own (-O3 would inline them all): a third of the build time. A small core
# is one file of C++, which takes less time than several; a large one is several, which are compiled side by side.
_OPTIONS = (
    "-O3", "--inline-mult", "2000", "--output-split", "60000", "--output-split-cfuncs", "20000", "--no-timing",
    "-CFLAGS", "-DVL_TIME_CONTEXT",
)  # fmt: skip


@dataclass(frozen=True)
class Simulator:
    """A simulator ready to run.

    Attributes
    ----------
    folder : Path
        The build, in the cache.
    top : str
        Top module, and the name of the executable in ``folder``.
    hit : bool
        Whether the build was in the cache already.
    main : {"cocotb", "loop", "faults"}
        What drives it.
    toggles, windows : bool
        Whether it can count activity, and write activity files.
    random_state : bool
        Registers and memories can begin with any values.
    vpi : Path, optional
        For Icarus, which runs this build: the bench's functions. Otherwise Verilator made it.
    """

    folder: Path
    top: str
    hit: bool
    main: Literal["cocotb", "loop", "faults"] = "cocotb"
    toggles: bool = False
    windows: bool = False
    random_state: bool = False
    vpi: Path | None = None

    @property
    def executable(self) -> Path:
        return self.folder / self.top


def _module(verilog: str, name: str) -> str:
    found = re.search(rf"^\s*module\s+\\?{re.escape(name)}(?=[\s(;#]).*?^\s*endmodule\b", verilog, re.DOTALL | re.MULTILINE)
    if not found:
        raise BuildError(f"the Verilog holds no module {name!r}")
    return found[0]


def counter_mark(core: str = "") -> str:
    """Mark of a generated core that is instance ``core`` in the mark's scope, or that scope itself: the flush port of its
    counters, and the layer that they are flushed to. Where there are several cores they flush at the same time.
    """
    counters = f"{core}.{_COUNTERS}".lstrip(".")
    return f"{{{counters}.flush, 8'({counters}.layer)}}"


def port_width(verilog: str, port: str, module: str = "quiesce") -> int:
    """Width in bits of a port of ``module``.

    Raises
    ------
    BuildError
        No such module or port.
    """
    text = _module(verilog, module)
    declared = re.search(rf"\b(?:input|output)\s+(?:(?:wire|reg|logic)\s+)?(?:\[(\d+):0\]\s*)?{re.escape(port)}\b", text)
    if not declared:
        raise BuildError(f"module {module!r} has no port {port!r}")
    return int(declared[1] or 0) + 1


def bench_parameters(verilog: str) -> dict[str, object]:
    """Parameters of the bench for a core."""
    ports = {"DATA_WIDTH": "m_axi_wdata", "ADDR_WIDTH": "m_axi_araddr", "ID_WIDTH": "m_axi_arid"}
    return {name: port_width(verilog, port) for name, port in ports.items()}


def _compile(folder: Path, top: str, sources: list[Path], runner: WheelVerilator, **options: Any) -> None:
    log = folder / "build.log"
    tagged = [VerilatorControlFile(path) if path.suffix == ".vlt" else VerilogTag(path) for path in sources]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            runner.build(sources=tagged, hdl_toplevel=top, build_dir=folder, log_file=log, timescale=("1ps", "1ps"), **options)
    except RuntimeError as error:
        text = log.read_text(errors="replace") if log.exists() else ""
        lines = [line for line in text.splitlines() if re.search(r"%Warning|rror\b", line)] or text.splitlines()[-20:]
        raise BuildError("the simulator does not build:\n" + "\n".join(lines[:20])) from error


def build_simulator(
    verilog: str,
    *,
    main: Literal["cocotb", "loop", "faults"] = "cocotb",
    mark: str | None = None,
    toggles: bool = False,
    windows: bool = False,
    covers: str | None = None,
    random_state: bool = False,
) -> Simulator:
    """The bench around a core: memory model, register host, clock in C++, counting of activity.

    Parameters
    ----------
    verilog : str
        Text with a module ``quiesce``.
    main : {"cocotb", "loop", "faults"}
        Driven by cocotb, or the same bench in a bare C++ loop, which starts at once and calls no Python.
    mark : str, optional
        Verilog expression in the scope of the bench (the core is ``dut``), 9 bits: in bit 8 that the counters move to the set
        of a layer, in the lower bits its number. By default that of the generated core.
    toggles : bool
        Able to count the activity of all nets that ``verilog`` makes public, see ``energy.monitors``.
    windows : bool
        Able to write activity files (SAIF) of stretches of the run, two orders slower (with cocotb only).
    covers : str, optional
        Cover properties in the scope of the bench, to be counted with lines and toggles (in the bare loop only): each process
        leaves ``coverage.dat`` in its working folder.
    random_state : bool
        Able to begin with random values in all registers and memories, see ``run_job``.

    Raises
    ------
    BuildError
        A tool is missing, a port is missing, or Verilator or the compiler reports an error.
    """
    if mark is None:
        mark = counter_mark("dut")
    parameters = bench_parameters(verilog)
    cpp = [HDL_FOLDER / name for name in (*_COMMON_CPP, _MAIN[main])]
    parts: dict[str, str | bytes] = {path.name: path.read_bytes() for path in (*HDL, _CONTROL, *cpp, *_CODE)}
    windows = windows and main == "cocotb"
    kind = f"{main} {toggles=} {windows=} {covers=} {random_state=}"
    key = content_key(parts | {"verilog": verilog, "kind": kind, "mark": mark, "versions": tool_versions()})

    def make(folder: Path) -> None:
        core = folder / "quiesce.v"
        core.write_text(verilog)
        runner = WheelVerilator()
        runner.mains = tuple(path for path in cpp if path.suffix == ".cpp")
        runner.with_vpi = main == "cocotb"
        unknown = "unique" if random_state else "fast"
        args = [*_OPTIONS, "--x-assign", unknown, "--x-initial", unknown, "-CFLAGS", f"-I{HDL_FOLDER}"]
        if main == "cocotb":
            args += ["-LDFLAGS", "-rdynamic"]
        if toggles:
            args += ["-CFLAGS", "-DQUIESCE_TOGGLES"]
        if windows:
            args += ["--trace-saif", "--trace-underscore"]  # nets without a name of their own begin with an underscore
        defines = {"QUIESCE_MARK": mark}
        if main == "faults" or (main == "loop" and toggles):
            args += ["--vpi"]  # what is public is listed by name, no Python is called
        if main == "faults":
            defines["QUIESCE_FAULTS"] = "1"
        if covers is not None:
            (folder / "covers.svh").write_text(covers)
            args += ["--coverage-line", "--coverage-toggle", "--coverage-user", f"-I{folder}"]
            defines["QUIESCE_COVERS"] = "1"
        _compile(folder, "tb", [_CONTROL, core, *HDL], runner, parameters=parameters, defines=defines, build_args=args)
        _strip(folder)

    folder, hit = cached("sim", key, make)
    return Simulator(folder, "tb", hit, main, toggles, windows, random_state)


def build_agents(verilog: str, top: str = "quiesce") -> Simulator:
    """A core alone under cocotb's ordinary main program, its ports driven from Python: slow, for protocol tests."""

    def make(folder: Path) -> None:
        core = folder / "quiesce.v"
        core.write_text(verilog)
        waived = [f"-Wno-{rule}" for rule in ("WIDTHEXPAND", "WIDTHTRUNC", "CASEINCOMPLETE", "INITIALDLY")]
        _compile(folder, top, [core], WheelVerilator(), build_args=[*waived, "--no-timing"])
        _strip(folder)

    key = content_key(
        {"verilog": verilog, "top": top, "versions": tool_versions(), "build": b"".join(path.read_bytes() for path in _CODE)}
    )
    folder, hit = cached("agents", key, make)
    return Simulator(folder, top, hit)


def _strip(folder: Path) -> None:
    """Keep the executable, the Verilog and the log: objects are many times their size."""
    for path in folder.iterdir():
        if path.is_file() and path.suffix not in (".v", ".log") and not os.access(path, os.X_OK):
            path.unlink()
