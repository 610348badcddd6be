"""The bench under Icarus Verilog: a second, independent simulator that interprets the same text, some hundred times slower."""

import shutil
import subprocess
import warnings
from pathlib import Path
from typing import Any

from cocotb_tools.runner import Icarus
from cocotb_tools.runner import Verilog as VerilogTag

from quiesce.sim.build import HDL, HDL_FOLDER, NO_MARK, Simulator, bench_parameters
from quiesce.sim.cache import cached, content_key
from quiesce.sim.errors import BuildError

__all__ = ["build_icarus", "build_icarus_agents"]

_CPP = ("bench.h", "bench.cpp", "icarus_vpi.cpp")
_VPI = "bench.vpi"


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{command[0]} failed:\n{(done.stderr or done.stdout).strip()}")
    return done.stdout


def _version() -> str:
    for tool in ("iverilog", "vvp", "iverilog-vpi"):
        if shutil.which(tool) is None:
            raise BuildError(f"{tool} is not installed; install Icarus Verilog 11 or later (package iverilog)")
    if shutil.which("g++") is None:
        raise BuildError("g++ is not installed; building a simulator needs it")
    return _run(["iverilog", "-V"]).splitlines()[0]


def _compile(folder: Path, top: str, sources: list[Path], **options: Any) -> None:
    log = folder / "build.log"
    tagged = [VerilogTag(path) for path in sources]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            Icarus().build(sources=tagged, hdl_toplevel=top, build_dir=folder, log_file=log, timescale=("1ps", "1ps"), **options)
    except RuntimeError as error:
        text = log.read_text(errors="replace") if log.exists() else ""
        raise BuildError("the simulator does not build:\n" + "\n".join(text.splitlines()[-20:])) from error


def _vpi(folder: Path) -> None:
    """The bench's memory and host script as a module of system tasks."""
    flags, libraries = (_run(["iverilog-vpi", option]).split() for option in ("--cflags", "--ldlibs"))
    sources = [str(HDL_FOLDER / name) for name in _CPP if name.endswith(".cpp")]
    options = ["-std=c++20", "-O2", "-shared", "-fPIC", *flags, f"-I{HDL_FOLDER}"]
    _run(["g++", *options, "-o", str(folder / _VPI), *sources, *libraries])


def build_icarus(verilog: str) -> Simulator:
    """The bench of ``build_simulator`` around a core, for Icarus; it counts no activity.

    Raises
    ------
    BuildError
        A tool is missing, or Icarus or the compiler reports an error.
    """
    parameters = bench_parameters(verilog)
    parts: dict[str, str | bytes] = {path.name: path.read_bytes() for path in (*HDL, Path(__file__))}
    parts |= {name: (HDL_FOLDER / name).read_bytes() for name in _CPP}

    def make(folder: Path) -> None:
        core = folder / "quiesce.v"
        core.write_text(verilog)
        _compile(folder, "tb", [core, *HDL], parameters=parameters, defines={"QUIESCE_MARK": NO_MARK})
        _vpi(folder)

    folder, hit = cached("icarus", content_key(parts | {"verilog": verilog, "version": _version()}), make)
    return Simulator(folder, "tb", hit, vpi=folder / _VPI)


def build_icarus_agents(verilog: str, top: str = "quiesce", standard: str = "2005") -> Simulator:
    """A core alone, read as Verilog of a year; its ports are driven from Python. See ``build_agents``."""

    def make(folder: Path) -> None:
        core = folder / "quiesce.v"
        core.write_text(verilog)
        _compile(folder, top, [core], build_args=[f"-g{standard}"])

    parts = {"verilog": verilog, "top": top, "standard": standard, "version": _version()}
    key = content_key(parts | {"code": Path(__file__).read_bytes()})
    folder, hit = cached("icarus", key, make)
    return Simulator(folder, top, hit)
