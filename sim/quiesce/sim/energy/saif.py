"""Reader of switching-activity files (SAIF 2.0, backward): toggles of each net, streamed.

Verilator counts one toggle too many for each bit that is one when the file opens, and its durations hold only for files that
open at time zero. Hence toggles of a window are the difference of two files (``window_toggles``), and cycles come from elsewhere.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from quiesce.sim.errors import SaifError

__all__ = ["Net", "read_nets", "scope_toggles", "window_toggles"]

# One net as Verilator prints it: nearly every line, so worth a path of its own.
_NET_LINE = re.compile(r"\s*\((\S+) \(T0 (\d+)\) \(T1 (\d+)\) \(TZ \d+\) \(TX \d+\) \(TB \d+\) \(TC (\d+)\)\)\s*\Z")
_TOKEN = re.compile(r'"[^"]*"|\(|\)|//.*|[^\s()"]+|(?P<bad>")')
_IDLE = " (TC 0))\n"
_MAX_DEPTH = 256
_IGNORED = frozenset({"clk", "rst"})


@dataclass(frozen=True, slots=True)
class Net:
    """Activity of one bit.

    Attributes
    ----------
    scope : tuple of str
        Instance names from the top.
    name : str
        With the bit index, if it has one, as written in the file.
    low, high : int
        Time at zero and at one, in the file's time unit.
    toggles : int
    """

    scope: tuple[str, ...]
    name: str
    low: int
    high: int
    toggles: int


class _Parser:
    """Keeps the list that is open at each depth: its keyword, or a net's name."""

    def __init__(self, path: Path, idle: bool) -> None:
        self.scopes: set[tuple[str, ...]] = set()
        self._path = path
        self._idle = idle
        self._lists: list[list[str]] = []
        self._scope: list[str] = []
        self._activity: dict[str, int] = {}
        self._line = 0
        self._finished = False

    def _fail(self, what: str) -> SaifError:
        return SaifError(f"{self._path}: line {self._line}: {what}")

    @property
    def _in_nets(self) -> bool:
        return bool(self._lists) and self._lists[-1] == ["NET"]

    def parse(self) -> Iterator[Net]:
        try:
            with self._path.open(encoding="utf-8") as lines:
                for self._line, line in enumerate(lines, 1):
                    if not self._idle and line.endswith(_IDLE) and self._in_nets:
                        continue
                    if self._in_nets and (quick := _NET_LINE.match(line)):
                        name, low, high, toggles = quick.groups()
                        yield Net(tuple(self._scope), name, int(low), int(high), int(toggles))
                    else:
                        yield from self._tokens(line)
        except OSError as error:
            raise SaifError(f"{self._path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise SaifError(f"{self._path}: not a text file") from error
        if not self._finished:
            raise self._fail("the file ends early")

    def _tokens(self, line: str) -> Iterator[Net]:
        for found in _TOKEN.finditer(line):
            token = found[0]
            if token.startswith("//"):
                return
            if found["bad"]:
                raise self._fail("a string does not end")
            if self._finished:
                raise self._fail(f"{token!r} after the end of the file's list")
            if token == "(":
                self._open()
            elif token == ")":
                yield from self._close()
            else:
                self._word(token)

    def _open(self) -> None:
        if len(self._lists) >= _MAX_DEPTH:
            raise self._fail(f"lists nested deeper than {_MAX_DEPTH}")
        self._lists.append([])

    def _word(self, token: str) -> None:
        if not self._lists:
            raise self._fail(f"{token!r} outside of any list")
        words = self._lists[-1]
        words.append(token)
        if len(self._lists) == 1 and words != ["SAIFILE"]:
            raise self._fail("not a SAIF file")
        if words[0] == "INSTANCE" and len(words) == 2:
            self._scope.append(token)
            self.scopes.add(tuple(self._scope))

    def _close(self) -> Iterator[Net]:
        if not self._lists:
            raise self._fail("a list is closed that was not opened")
        words = self._lists.pop()
        if not words:
            raise self._fail("empty list")
        if not self._lists:
            self._finished = True
        elif words[0] == "INSTANCE":
            if len(words) < 2:
                raise self._fail("an instance has no name")
            self._scope.pop()
        elif len(self._lists) >= 2 and self._lists[-2] == ["NET"]:
            self._activity[words[0]] = self._number(words)
        elif self._in_nets:
            yield self._net(words[0])

    def _number(self, words: list[str]) -> int:
        if len(words) != 2 or not words[1].isascii() or not words[1].isdigit():
            raise self._fail(f"({' '.join(words)}) is not a name and a count")
        return int(words[1])

    def _net(self, name: str) -> Net:
        activity, self._activity = self._activity, {}
        missing = {"T0", "T1", "TC"} - activity.keys()
        if missing:
            raise self._fail(f"net {name}: no {min(missing)}")
        return Net(tuple(self._scope), name, activity["T0"], activity["T1"], activity["TC"])


def read_nets(path: Path) -> Iterator[Net]:
    """All nets of a file, in its order, without holding them in memory.

    Raises
    ------
    SaifError
        The file cannot be read, is no SAIF file, is damaged or ends early; the message has the line.
    """
    return _Parser(path, idle=True).parse()


def scope_toggles(path: Path, ignored: frozenset[str] = _IGNORED) -> dict[tuple[str, ...], int]:
    """Toggles of all nets of each scope but those named in ``ignored`` (the clock is charged per flip-flop)."""
    parser = _Parser(path, idle=False)
    totals: dict[tuple[str, ...], int] = defaultdict(int)
    for net in parser.parse():
        if net.name not in ignored:
            totals[net.scope] += net.toggles
    return {scope: totals[scope] for scope in parser.scopes}


def window_toggles(opened: Path, closed: Path) -> dict[tuple[str, ...], int]:
    """Toggles of each scope within a window: those of ``closed`` beyond the bits that were one when it opened.

    Raises
    ------
    SaifError
        A file is damaged, or the two are not of the same design.
    """
    before, after = scope_toggles(opened), scope_toggles(closed)
    if before.keys() != after.keys():
        raise SaifError(f"{opened} and {closed} are not of the same design")
    toggles = {scope: after[scope] - before[scope] for scope in after}
    if any(count < 0 for count in toggles.values()):
        raise SaifError(f"{closed}: fewer toggles than bits set at its opening in {opened}")
    return toggles
