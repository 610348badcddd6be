"""The same design with each module written once."""

import hashlib
import re

__all__ = ["MODULE", "merge_modules", "without_initial_values"]

MODULE = re.compile(r"(?ms)^(?:attribute [^\n]*\n)*module (\\\S+)\n.*?^end\n")
"""A module as Amaranth prints it, behind its attributes."""

_INSTANCE = re.compile(r"(?m)^(  cell )(\\\S+)( \\\S+\n)((?:    .*\n)*)")
# A wire without a name of its own is numbered through the design.
_UNNAMED = re.compile(r"\\port\$(\d+)(?=\$\d+\s)")
_CONNECTED = re.compile(r"(?m)^    connect \\port\$\d+\$\d+ ")
_INITIAL = re.compile(r"(?m)^  attribute \\init .*\n|^  cell \$meminit_v2 .*\n(?:    .*\n)*  end\n")


def merge_modules(rtlil: str) -> str:
    """Keep one of each set of modules that differ in nothing but their names, and instantiate that one.

    A generator writes a module for each instance; merged, a core of 16 equal processing elements is a quarter of the text, and of
    the time to build it. Instance names, and so the hierarchy, stay as they are. Wires without a name are numbered anew in each
    module.

    Parameters
    ----------
    rtlil : str
        A design without source attributes, as ``amaranth.back.rtlil`` prints it.
    """
    modules = {found[1]: found[0] for found in MODULE.finditer(rtlil)}
    kept: dict[str, str] = {}
    by_content: dict[str, str] = {}
    merged: dict[str, str] = {}
    numbers: dict[str, dict[str, int]] = {}  # of each module's unnamed wires

    def renumber(text: str, module: str) -> str:
        return _UNNAMED.sub(lambda at: f"\\part${numbers[module][at[1]]}", text)

    def instance(at: re.Match[str]) -> str:
        if at[2] not in modules:
            return at[0]
        return at[1] + visit(at[2]) + at[3] + _CONNECTED.sub(lambda line: renumber(line[0], at[2]), at[4])

    def visit(name: str) -> str:
        if name not in merged:
            text = _INSTANCE.sub(instance, modules[name])
            numbers[name] = {number: n for n, number in enumerate(dict.fromkeys(_UNNAMED.findall(text)))}
            text = renumber(text, name)
            content = hashlib.sha256(text.replace(f"module {name}\n", "", 1).encode()).hexdigest()
            merged[name] = by_content.setdefault(content, name)
            if merged[name] == name:
                kept[name] = text
        return merged[name]

    for module in modules:
        visit(module)
    return "\n".join(kept[module] for module in modules if module in kept)


def without_initial_values(rtlil: str) -> str:
    """A design whose registers and memories begin with anything: its reset sets what needs a value."""
    return _INITIAL.sub("", rtlil)
