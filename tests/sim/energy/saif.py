"""Toggles in Verilator's own activity files (SAIF 2.0), the oracle for what is counted at speed.

One toggle too many is counted of each bit that is one when the file opens, hence the difference of two files is what counts.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_INSTANCE = re.compile(r"\(INSTANCE (\S+)$")
_NET = re.compile(r"\((\S+) \(T0 \d+\) \(T1 \d+\) \(TZ \d+\) \(TX \d+\) \(TB \d+\) \(TC (\d+)\)\)$")


class NetToggles(NamedTuple):
    scope: tuple[str, ...]
    name: str
    toggles: int


def read_nets(path: Path) -> Iterator[NetToggles]:
    """All nets of a file as Verilator writes it: a list opens, or closes, on a line of its own."""
    scopes: list[str | None] = []
    for line in map(str.strip, path.read_text().splitlines()):
        if net := _NET.match(line):
            yield NetToggles(tuple(filter(None, scopes)), net[1], int(net[2]))
        elif line == ")":
            scopes.pop()
        elif line.count("(") > line.count(")"):
            instance = _INSTANCE.match(line)
            scopes.append(instance[1] if instance else None)
    assert not scopes, f"{path} ends early"


def window_toggles(opened: Path, closed: Path) -> dict[tuple[str, ...], int]:
    """Toggles of each scope within a window, those of the clock and of reset left out."""
    sums: Counter[tuple[str, ...]] = Counter()
    for path, sign in ((closed, 1), (opened, -1)):
        for net in read_nets(path):
            if net.name not in ("clk", "rst"):
                sums[net.scope] += sign * net.toggles
    return dict(sums)
