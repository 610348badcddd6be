"""Cores through synthesis: which module to start from, and what comes out."""

import re

from quiesce.sim.core import TOP, core_text
from quiesce.sim.gates.errors import SynthesisError
from quiesce.sim.gates.library import Library
from quiesce.sim.gates.synthesis import Options, Synthesis, synthesize
from quiesce.sw.config import CoreConfig

__all__ = ["find_module", "synthesize_core"]

_MODULE = re.compile(r"(?m)^\s*module\s+\\?([^\s(]+)")
_NUMBER = re.compile(r"\$\d+")


def find_module(verilog: str, ending: str) -> str:
    """The module whose name ends like this, numbers that the generator adds (``array$608``) left out: ``lanes.mac``.

    Raises
    ------
    SynthesisError
        None, or several.
    """
    names = _MODULE.findall(verilog)
    plain = {name: _NUMBER.sub("", name) for name in names}
    found = [name for name in names if plain[name] == ending or plain[name].endswith("." + ending)]
    if len(found) != 1:
        choice = ", ".join(sorted(plain[name].removeprefix(f"{TOP}.") for name in found or names))
        raise SynthesisError(f"module {ending!r}: {'several end' if found else 'none ends'} like this; there are {choice}")
    return str(found[0])


def synthesize_core(config: CoreConfig, library: Library, module: str = TOP, options: Options | None = None) -> Synthesis:
    """Synthesise a core, or the part of it that is a module with all below it; see ``find_module``.

    Raises
    ------
    SynthesisError
        There is no such module, or it cannot be mapped.
    """
    verilog = core_text(config).verilog
    return synthesize(verilog, library, find_module(verilog, module), options)
