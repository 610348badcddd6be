"""Patterns of the text form of RTLIL, Yosys's intermediate language."""

import re

__all__ = ["PARAMETER", "PORT", "cells_of"]

PARAMETER = re.compile(r"(?m)^    parameter (?:signed )?\\(\w+) (.*)$")
"""A parameter among the lines of a cell: its name and value."""
PORT = re.compile(r"(?m)^    connect \\(\w+) (.*)$")
"""A port among them: its name and what it is connected to."""


def cells_of(kind: str) -> re.Pattern[str]:
    """Cells of a kind: the name, and the lines of parameters and ports."""
    return re.compile(rf"(?m)^  cell {re.escape(kind)} (\S+)\n((?:    .*\n)*?)  end\n")
