"""Syntax of Liberty files: nested groups of attributes, with the line of each."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from quiesce.sim.gates.errors import LibertyError

__all__ = ["Attribute", "Group", "read_groups"]

_MAX_DEPTH = 32
_MAX_BYTES = 1 << 28
# Possessive quantifiers: no backtracking, whatever the file holds.
_SPACE = re.compile(r"(?:\s++|/\*(?:[^*]++|\*(?!/))*+\*/|//[^\n]*+|\\(?=\r?\n))*+")
_NAME = re.compile(r"[A-Za-z_][\w.]*+")
_STRING = re.compile(r'"((?:[^"\\]++|\\[\s\S])*+)"')
_WORD = re.compile(r'[^\s(),;{}"]++')
_PLAIN = re.compile(r'[^;{}"\n\r\\]++')
_CONTINUED = re.compile(r"\\\r?\n\s*+")


@dataclass(frozen=True, slots=True)
class Attribute:
    """``name : value ;`` has one value, ``name (a, b) ;`` has several."""

    values: tuple[str, ...]
    line: int


@dataclass(slots=True)
class Group:
    """``name (arguments) { attributes and groups }``.

    Attributes
    ----------
    attributes : dict of str to list of Attribute
        In the order of the file; one name may occur several times.
    """

    name: str
    arguments: tuple[str, ...]
    line: int
    attributes: dict[str, list[Attribute]] = field(default_factory=dict)
    groups: list["Group"] = field(default_factory=list)

    def of(self, *names: str) -> Iterator["Group"]:
        """The groups directly below with one of the names."""
        return (group for group in self.groups if group.name in names)

    def attribute(self, name: str) -> Attribute | None:
        """The last attribute of a name."""
        found = self.attributes.get(name)
        return found[-1] if found else None

    def text(self, name: str) -> str | None:
        """The single value of an attribute."""
        found = self.attribute(name)
        return found.values[0] if found and found.values else None


class _Reader:
    def __init__(self, path: Path, text: str) -> None:
        self._path, self._text = path, text
        self._at = 0
        self._line, self._line_at = 1, 0

    def line(self) -> int:
        self._line += self._text.count("\n", self._line_at, self._at)
        self._line_at = self._at
        return self._line

    def fail(self, what: str) -> LibertyError:
        return LibertyError(f"{self._path}: line {self.line()}: {what}")

    def _skip(self) -> None:
        found = _SPACE.match(self._text, self._at)
        assert found is not None  # it matches nothing, too
        self._at = found.end()

    def _take(self, character: str) -> bool:
        self._skip()
        if self._text.startswith(character, self._at):
            self._at += 1
            return True
        return False

    def _next(self) -> str:
        return repr(self._text[self._at]) if self._at < len(self._text) else "the end of the file"

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._at)
        if found:
            self._at = found.end()
        return found

    def _value(self) -> str:
        """What follows a colon: a string, or everything up to a semicolon or the end of the line."""
        self._skip()
        if found := self._match(_STRING):
            return _CONTINUED.sub("", found[1])
        found = self._match(_PLAIN)
        value = re.sub(r"/\*.*?\*/", "", found[0]).strip() if found else ""
        if not value:
            raise self.fail(f"a value is missing before {self._next()}")
        return value

    def _arguments(self) -> tuple[str, ...]:
        values = []
        while not self._take(")"):
            if found := self._match(_STRING):
                values.append(_CONTINUED.sub("", found[1]))
            elif found := self._match(_WORD):
                values.append(found[0])
            else:
                raise self.fail(f"{self._next()} in a list of values")
            self._take(",")
        return tuple(values)

    def read(self) -> list[Group]:
        top = Group("", (), 0)
        open_groups = [top]
        while True:
            self._skip()
            if self._at == len(self._text):
                break
            if self._take("}"):
                if len(open_groups) == 1:
                    raise self.fail("'}' closes a group that was not opened")
                open_groups.pop()
                self._take(";")
                continue
            if self._take(";"):
                continue
            self._statement(open_groups)
        if len(open_groups) > 1:
            group = open_groups[-1]
            raise self.fail(f"the file ends within group {group.name!r} of line {group.line}")
        return top.groups

    def _statement(self, open_groups: list[Group]) -> None:
        line = self.line()
        found = self._match(_NAME)
        if not found:
            raise self.fail(f"{self._next()} where a name is expected")
        name, group = found[0], open_groups[-1]
        if self._take(":"):
            group.attributes.setdefault(name, []).append(Attribute((self._value(),), line))
            self._take(";")
        elif self._take("("):
            values = self._arguments()
            if not self._take("{"):
                group.attributes.setdefault(name, []).append(Attribute(values, line))
                self._take(";")
                return
            if len(open_groups) > _MAX_DEPTH:
                raise self.fail(f"groups nested deeper than {_MAX_DEPTH}")
            inner = Group(name, values, line)
            group.groups.append(inner)
            open_groups.append(inner)
        else:
            raise self.fail(f"neither ':' nor '(' behind {name!r}, but {self._next()}")


def read_groups(path: Path) -> list[Group]:
    """The groups at the top of a file.

    Raises
    ------
    LibertyError
        The file cannot be read, is no text, or is malformed.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise LibertyError(f"{path}: larger than {_MAX_BYTES >> 20} MiB")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise LibertyError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise LibertyError(f"{path}: not a text file") from error
    return _Reader(path, text).read()
