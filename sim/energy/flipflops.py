"""Flip-flops of each module, counted in RTLIL text."""

import re
from collections import defaultdict

from quiesce.sim.errors import EnergyError

__all__ = ["count_flip_flops"]

_STATEMENT = re.compile(
    r"^\s*(?:module (?P<module>\S+)|cell (?P<type>\S+) (?P<name>\S+)|parameter \\WIDTH (?P<width>\d+)|(?P<end>end))\s*$"
)
_FLIP_FLOP = re.compile(r"\$(?:a|s|al|d)*ff(?:e|sr|sre|se)?$")


def count_flip_flops(rtlil: str, top: str) -> dict[str, int]:
    """Flip-flops by module path relative to ``top`` ("" is the top itself), those of sub-modules not included.

    Memories are not flip-flops here: their storage is charged by access.

    Parameters
    ----------
    rtlil : str
        Design as converted by ``amaranth.back.rtlil``.
    top : str
        Name of the top module, without the backslash.

    Raises
    ------
    EnergyError
        No such module.
    """
    flip_flops: dict[str, int] = defaultdict(int)
    children: dict[str, list[tuple[str, str]]] = defaultdict(list)
    module = cell_type = ""
    for line in rtlil.splitlines():
        if not (found := _STATEMENT.match(line)):
            continue
        if found["module"]:
            module = found["module"]
            flip_flops[module] += 0
        elif found["type"]:
            cell_type = found["type"]
            if cell_type.startswith("\\"):
                children[module].append((found["name"].removeprefix("\\"), cell_type))
        elif found["width"] and _FLIP_FLOP.match(cell_type):
            flip_flops[module] += int(found["width"])
    if f"\\{top}" not in flip_flops:
        raise EnergyError(f"the RTLIL holds no module {top!r}")

    counts: dict[str, int] = {}

    def walk(path: str, name: str) -> None:
        counts[path] = flip_flops[name]
        for instance, child in children[name]:
            if child in flip_flops:
                walk(f"{path}/{instance}" if path else instance, child)

    walk("", f"\\{top}")
    return counts
