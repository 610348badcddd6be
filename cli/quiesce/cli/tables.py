"""Tables of reports."""

from collections.abc import Iterable

from rich.markup import escape
from rich.table import Table

__all__ = ["new_table", "optional"]


def new_table(title: str, text: Iterable[str], numbers: Iterable[str]) -> Table:
    """A table with columns of text and then of numbers."""
    table = Table(title=escape(title), title_justify="left")
    for name in text:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def optional(value: float | None, form: str) -> str:
    """The value in this format, or nothing."""
    return "" if value is None else format(value, form)
