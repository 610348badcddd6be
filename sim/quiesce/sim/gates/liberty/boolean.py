"""Boolean expressions as Liberty writes them: ``!A``, ``A'``, ``A & B``, ``A * B``, ``A B``, ``A | B``, ``A + B``, ``A ^ B``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["BooleanError", "Expression", "parse_boolean"]

_TOKEN = re.compile(r"\s*([A-Za-z_][\w\[\]]*|[01]|[!'&*|+^()])")
_MAX_DEPTH = 64


class BooleanError(ValueError):
    """Not a Boolean expression."""


@dataclass(frozen=True, slots=True)
class Expression:
    """An operator over operands; a leaf has none.

    Parameters
    ----------
    operator : str
        ``"&"``, ``"|"``, ``"^"`` (two operands), ``"!"`` (one), or a leaf's name, ``"0"`` or ``"1"``.
    operands : tuple of Expression
    """

    operator: str
    operands: tuple["Expression", ...] = ()

    def variables(self) -> frozenset[str]:
        if self.operands:
            return frozenset().union(*(operand.variables() for operand in self.operands))
        return frozenset() if self.operator in "01" else frozenset({self.operator})

    def evaluate(self, values: Mapping[str, bool]) -> bool:
        """Its value, given those of all variables."""
        if not self.operands:
            return self.operator == "1" if self.operator in "01" else values[self.operator]
        first, *rest = (operand.evaluate(values) for operand in self.operands)
        if self.operator == "!":
            return not first
        return {"&": first and rest[0], "|": first or rest[0], "^": first != rest[0]}[self.operator]


class _ExpressionParser:
    """Precedence, the strongest first: inversion, exclusive or, and, or."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        at, text = 0, text.strip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if not found:
                raise BooleanError(f"{text[at:].strip()[:1]!r} in {text!r}")
            self._tokens.append(found[1])
            at = found.end()
        self._text, self._at, self._depth = text, 0, 0

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def parse(self) -> Expression:
        expression = self._or()
        if self._peek():
            raise BooleanError(f"{self._peek()!r} is out of place in {self._text!r}")
        return expression

    def _or(self) -> Expression:
        left = self._and()
        while self._peek() in ("|", "+") and self._peek():
            self._at += 1
            left = Expression("|", (left, self._and()))
        return left

    def _and(self) -> Expression:
        left = self._xor()
        while (token := self._peek()) and token not in ("|", "+", ")", "^", "'"):
            if token in ("&", "*"):
                self._at += 1
            left = Expression("&", (left, self._xor()))
        return left

    def _xor(self) -> Expression:
        left = self._inverted()
        while self._peek() == "^":
            self._at += 1
            left = Expression("^", (left, self._inverted()))
        return left

    def _inverted(self) -> Expression:
        token = self._peek()
        self._at += 1
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise BooleanError(f"nested deeper than {_MAX_DEPTH}: {self._text[:40]!r}...")
        if token == "!":
            expression = Expression("!", (self._inverted(),))
        elif token == "(":
            expression = self._or()
            if self._peek() != ")":
                raise BooleanError(f"a parenthesis stays open in {self._text!r}")
            self._at += 1
        elif not token or token in "&*|+^)'":
            raise BooleanError(f"an operand is missing in {self._text!r}")
        else:
            expression = Expression(token)
        while self._peek() == "'":
            self._at += 1
            expression = Expression("!", (expression,))
        self._depth -= 1
        return expression


def parse_boolean(text: str) -> Expression:
    """Parse an expression.

    Raises
    ------
    BooleanError
        It is none; the message says why.
    """
    return _ExpressionParser(text).parse()
