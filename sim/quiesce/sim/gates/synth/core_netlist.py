"""Cores through synthesis: which module to start from, and what comes out."""

from collections.abc import Iterable

from quiesce.sim.core_text import TOP, core_text
from quiesce.sim.gates.errors import SynthesisError
from quiesce.sim.gates.liberty.library import Library
from quiesce.sim.gates.synth.synthesis import Synthesis, SynthesisOptions, synthesize
from quiesce.spec.config import CoreConfig

__all__ = ["find_module", "synthesize_core"]


def find_module(names: Iterable[str], ending: str) -> str:
    """The module whose name ends like this: ``lanes_mac``.

    Raises
    ------
    SynthesisError
        None, or several.
    """
    names = list(names)
    found = [name for name in names if name == ending] or [name for name in names if name.endswith(f"_{ending}")]
    if len(found) != 1:
        choice = ", ".join(sorted(name.removeprefix(f"{TOP}_") for name in found or names))
        raise SynthesisError(f"module {ending!r}: {'several end' if found else 'none ends'} like this; there are {choice}")
    return found[0]


def synthesize_core(
    config: CoreConfig, library: Library, module: str = TOP, options: SynthesisOptions | None = None
) -> Synthesis:
    """Synthesise a core, or the part of it that is a module with all below it; see ``find_module``.

    Raises
    ------
    SynthesisError
        There is no such module, or it cannot be mapped.
    """
    core = core_text(config)
    name = find_module(core.paths, module)
    return synthesize(core.verilog, library, name, options, path=core.paths[name])
