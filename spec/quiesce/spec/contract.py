"""The contract of hardware and host in other languages: JSON, a C header, tables for documents."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from quiesce.spec.fields import Documented, Layout
from quiesce.spec.isa import BURST_BYTES_MAX, CHECKED_HEADER, HEADER, PARAM_FIELDS, PASS_FIELDS, POSITION_FIELDS, Opcode, Region
from quiesce.spec.performance import COUNTER_STRIDE, COUNTER_WIDTH, Counter
from quiesce.spec.registers import CORE_ID, REGISTER_FIELDS, RESET_CYCLES, Control, ErrorCode, Interrupt, Register, Status

__all__ = ["c_header", "contract", "tables"]

_CONSTANTS = {
    "CORE_ID": CORE_ID, "RESET_CYCLES": RESET_CYCLES, "COUNTER_STRIDE": COUNTER_STRIDE, "COUNTER_WIDTH": COUNTER_WIDTH,
    "BURST_BYTES_MAX": BURST_BYTES_MAX,
}  # fmt: skip

_NAMES: tuple[type[Documented], ...] = (Register, Control, Status, Interrupt, ErrorCode, Counter, Region, Opcode)

_WORDS: Mapping[str, Layout] = {
    **{f"reg_{register.name.lower()}": layout for register, layout in REGISTER_FIELDS.items()},
    "header": HEADER,
    "checked_header": CHECKED_HEADER,
    "param": PARAM_FIELDS,
    "position": POSITION_FIELDS,
    **{f"pass{index}": layout for index, layout in enumerate(PASS_FIELDS)},
}


def contract() -> dict[str, Any]:
    """All constants, names and fields, for JSON.

    Returns
    -------
    dict
        ``constants`` by name, ``names`` by kind and name as ``{"value", "about"}``, and ``words`` by name as
        ``{"width", "about", "fields"}`` with fields ``{"low", "width", "signed", "about"}``.
    """
    return {
        "constants": _CONSTANTS,
        "names": {
            kind.__name__: {name.name: {"value": int(name), "about": name.about} for name in kind} for kind in _NAMES
        },
        "words": {
            word: {
                "width": layout.width, "about": layout.about,
                "fields": {
                    name: {"low": field.low, "width": field.width, "signed": field.signed, "about": field.about}
                    for name, field in layout.items()
                },
            }
            for word, layout in _WORDS.items()
        },
    }  # fmt: skip


def _c_name(*parts: str) -> str:
    words = [re.sub(r"(?<=[a-z])(?=[A-Z])", "_", part) for part in parts]
    return "_".join(("QUIESCE", *words)).upper()


def _c_lines() -> Iterator[str]:
    for name, value in _CONSTANTS.items():
        yield f"#define {_c_name(name)} {value:#x}u"
    for kind in _NAMES:
        yield f"\n/* {(kind.__doc__ or '').splitlines()[0]} */"
        for member in kind:
            comment = f"  /* {member.about} */" if member.about else ""
            yield f"#define {_c_name(kind.__name__, member.name)} {int(member):#x}u{comment}"
    for word, layout in _WORDS.items():
        yield f"\n/* {word}, {layout.width} bits{': ' if layout.about else ''}{layout.about} */"
        for name, field in layout.items():
            yield f"#define {_c_name(word, name)}_LOW {field.low}u"
            yield f"#define {_c_name(word, name)}_WIDTH {field.width}u"


def c_header() -> str:
    """The same as macros: addresses and numbers, and of each field ``_LOW`` and ``_WIDTH``."""
    body = "\n".join(_c_lines())
    return f"/* Registers, programs and counters of a core. */\n#ifndef QUIESCE_H\n#define QUIESCE_H\n\n{body}\n\n#endif\n"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def _table_of_names(kind: type[Documented], number: str) -> Iterator[str]:
    yield f"| {number} | name | meaning |"
    yield "|---|---|---|"
    for name in kind:
        value = f"{int(name):#04x}" if kind is Register else str(int(name))
        yield f"| {value} | `{name.name}` | {_cell(name.about)} |"


def _table_of_fields(layouts: Mapping[str, Layout]) -> Iterator[str]:
    yield "| word | bits | field | meaning |"
    yield "|---|---|---|---|"
    for word, layout in layouts.items():
        for name, field in layout.items():
            high = field.low + field.width - 1
            bits = f"{high}:{field.low}" if field.width > 1 else f"{high}"
            yield f"| {word} | {bits} | `{name}` | {_cell(field.about)}{' (signed)' if field.signed else ''} |"


def tables() -> str:
    """The same as a Markdown document."""
    parts = ["# Registers, programs and counters", "", f"Core identification: `{CORE_ID:#010x}`."]
    for kind, number in zip(_NAMES, ("address", "bit", "bit", "bit", "code", "number", "region", "opcode"), strict=True):
        parts += ["", f"## {kind.__name__}", (kind.__doc__ or "").splitlines()[0], "", *_table_of_names(kind, number)]
    registers = {register.name: layout for register, layout in REGISTER_FIELDS.items()}
    parts += ["", "## Fields of registers", "", *_table_of_fields(registers)]
    packets = {"header": HEADER, "checked header": CHECKED_HEADER, "parameters": PARAM_FIELDS, "position": POSITION_FIELDS}
    parts += ["", "## Fields of packets", "", *_table_of_fields(packets)]
    parts += ["", "## Words of a pass description", "", "| word | of |", "|---|---|"]
    parts += [f"| {index} | {_cell(layout.about)} |" for index, layout in enumerate(PASS_FIELDS)]
    parts += ["", *_table_of_fields({str(index): layout for index, layout in enumerate(PASS_FIELDS)})]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    print(tables(), end="")
