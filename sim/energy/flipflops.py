"""Flip-flops of each module, counted in Verilog as Yosys writes it."""

import re
from collections import defaultdict

from quiesce.sim.errors import EnergyError

__all__ = ["count_flip_flops"]

_IDENTIFIER = r"\\\S+ |[\w$]+"
_MODULE = re.compile(rf"(?ms)^module ({_IDENTIFIER}).*?^endmodule")
_REGISTER = re.compile(rf"(?m)^ *(?:output +)?reg (?:\[(\d+):(\d+)\] )?({_IDENTIFIER}) *(\[[^\]]*\])?(?: = [^;]*)?;")
_INSTANCE = re.compile(rf"(?m)^ +({_IDENTIFIER})\s+({_IDENTIFIER})\s*\($")
_ASSIGNMENT = re.compile(rf"(?m)^ *(?:if \(.*\) )?({_IDENTIFIER}) ?(?:\[[^\]]*\])* *<= ({_IDENTIFIER})?")

_ADDRESS = re.compile(r"(?m)^ *assign .* = .*\[(_\d+_)\];")


def _name(identifier: str) -> str:
    return identifier.strip().removeprefix("\\")


def _count(text: str) -> int:
    """Bits of registers that are set on a clock edge, memories and what is read from them left out."""
    widths: dict[str, int] = {}
    memories: set[str] = set()
    for high, low, identifier, rows in _REGISTER.findall(text):
        name = _name(identifier)
        widths[name] = int(high) - int(low) + 1 if high else 1
        if rows:
            memories.add(name)
    assignments = [(_name(target), _name(source)) for target, source in _ASSIGNMENT.findall(text)]
    clocked = {target for target, _ in assignments}
    # A register that is loaded from a memory is the memory's output, even if it is bypassed at times.
    outputs = {target for target, source in assignments if source in memories}
    # One that is not in the design but holds a memory's address is part of the memory, too.
    addresses = set(_ADDRESS.findall(text))
    return sum(widths[name] for name in clocked - memories - outputs - addresses if name in widths)


def count_flip_flops(verilog: str, top: str) -> dict[str, int]:
    """Flip-flops by instance path relative to ``top`` ("" is the top itself), those of sub-modules not included.

    Memories are not flip-flops here: their storage is charged by access.

    Parameters
    ----------
    verilog : str
        As converted by ``amaranth.back.verilog``.
    top : str
        Name of the top module.

    Raises
    ------
    EnergyError
        No such module.
    """
    texts = {_name(found[1]): found[0] for found in _MODULE.finditer(verilog)}
    if top not in texts:
        raise EnergyError(f"the Verilog holds no module {top!r}")
    counts = {name: _count(text) for name, text in texts.items()}
    children: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, text in texts.items():
        for module, instance in _INSTANCE.findall(text):
            if _name(module) in texts:
                children[name].append((_name(instance), _name(module)))

    paths: dict[str, int] = {}

    def walk(path: str, name: str) -> None:
        paths[path] = counts[name]
        for instance, module in children[name]:
            walk(f"{path}/{instance}" if path else instance, module)

    walk("", top)
    return paths
