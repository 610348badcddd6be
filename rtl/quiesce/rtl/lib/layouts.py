"""Fields of passes as layouts, and registers and connections of the fields of a layout."""

from collections.abc import Iterable
from typing import Any

from amaranth import Module, Shape, Signal, Value
from amaranth.lib import data

from quiesce.spec.fields import Field
from quiesce.spec.isa import PASS_FIELDS

__all__ = ["pass_layout", "connect_all", "connect_fields", "field_shape", "held", "registers"]

_PASS_FIELDS = {name: field for word in PASS_FIELDS for name, field in word.items()}


def field_shape(field: Field) -> Shape:
    """Width and sign of a field."""
    return Shape(field.width, field.signed)


def pass_layout(*names: str) -> data.StructLayout:
    """Layout of the named pass fields (isa.PASS_FIELDS), each with its width and sign.

    Raises
    ------
    KeyError
        A name that is not a pass field.
    """
    return data.StructLayout({name: field_shape(_PASS_FIELDS[name]) for name in names})


def connect_all(domain: Any, targets: Iterable[Value], sources: Iterable[Value]) -> None:
    """Assign in ``domain`` each of ``targets`` from the one of ``sources`` at its place."""
    domain += [target.eq(source) for target, source in zip(targets, sources, strict=True)]


def connect_fields(domain: Any, target: data.View, source: data.View) -> None:
    """Assign in ``domain`` every field of ``target`` from the field of the same name of ``source``."""
    for name, _ in target.shape():
        domain += target[name].eq(source[name])


def held(m: Module, output: data.View, name: str) -> Signal:
    """A register without reset that an output shows, for data that valid bits guard; the caller writes it."""
    register = Signal(output.shape(), name=name, reset_less=True)
    m.d.comb += output.eq(register)
    return register


def registers(m: Module, target: data.View, name: str) -> dict[str, Signal]:
    """A register without reset for each field of ``target``, which shows them; the caller writes them.

    One wide register would be the same gates, but a simulator would copy all of it in every cycle.
    """
    fields = {field: Signal(entry.shape, name=f"{name}_{field}", reset_less=True) for field, entry in target.shape()}
    m.d.comb += [target[field].eq(register) for field, register in fields.items()]
    return fields
