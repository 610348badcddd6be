"""Smaller Verilog of the same design: what the generator writes once per instance or per row is written once."""

import hashlib
import re

__all__ = ["compact", "merge_modules", "shorten_initial"]

_MODULE = re.compile(r"(?m)^(?=module )")
_NAME = re.compile(r"module (\\\S+ |\w+)")
# An instance as Yosys prints it: its module, its name, a parenthesis that ends the line, and a line for each connection.
_INSTANCE = re.compile(r"(?m)^(\s+)(\\\S+ |\w+)(\s+(?:\\\S+ |\w+)\s*\(\n)((?:\s+\..*\n)*)")
# A wire without a name of its own: Amaranth numbers it through the design.
_UNNAMED = re.compile(r"\\port\$(\d+)(?=\$\d+ )")
_CONNECTED = re.compile(r"(?m)^\s+\.\\port\$\d+\$\d+ ")
# A helper register that Yosys adds to each module, numbered through the file.
_HELPER = re.compile(r"\\\$auto\$verilog_backend\.cc:\d+:dump_module\$\d+ ")
_ZERO_ROWS = re.compile(r"(?m)(?:^ *(?P<name>\\\S+ |\w+)\[\d+\] = \d+'h0+;\n)(?:^ *(?P=name)\[\d+\] = \d+'h0+;\n)+")


def shorten_initial(verilog: str) -> str:
    """Replace memory initialisation to zero, a line for each row, by a loop."""

    def loop(found: re.Match[str]) -> str:
        rows = [int(row) for row in re.findall(r"\[(\d+)\] =", found[0])]
        if rows != list(range(len(rows))):
            return found[0]
        return f"    for (integer row = 0; row < {len(rows)}; row = row + 1) {found['name']}[row] = 0;\n"

    return _ZERO_ROWS.sub(loop, verilog)


def merge_modules(verilog: str) -> str:
    """Keep one of each set of modules that differ in nothing but their names, and instantiate that one.

    Instance names, and so the hierarchy, stay as they are. Wires without a name are numbered anew in each module.
    """
    head, *texts = _MODULE.split(_HELPER.sub(r"\\$initial ", verilog))
    modules: dict[str, str] = {}
    for text in texts:
        name = _NAME.match(text)
        assert name, "a module without a name"
        modules[name[1]] = text
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
            content = hashlib.sha256(text.replace(name, "", 1).encode()).hexdigest()
            merged[name] = by_content.setdefault(content, name)
            if merged[name] == name:
                kept[name] = text
        return merged[name]

    for module in modules:
        visit(module)
    return head + "".join(kept[module] for module in modules if module in kept)


def compact(verilog: str) -> str:
    """Both of the above: for a core of 16 equal processing elements a quarter of the text, and of the time to build it."""
    return merge_modules(shorten_initial(verilog))
