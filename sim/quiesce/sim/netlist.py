"""Netlists as Yosys writes them to JSON: modules, their cells and instances, and the nets between them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from quiesce.sim.errors import NetlistError

__all__ = ["MIN_RAM_BITS", "Bit", "Bits", "Instance", "Memory", "Module", "Netlist", "Port", "read_netlist"]

Bit = int | str
"""A net of a module by its number, or a constant: "0", "1", "x" or "z". Equal numbers are one net."""
Bits = tuple[Bit, ...]
"""The lowest bit first."""

MIN_RAM_BITS = 1024
"""The smallest memory that is worth a RAM; smaller ones are flip-flops."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a module; ``direction`` is "input", "output" or "inout"."""

    name: str
    direction: str
    bits: Bits


@dataclass(frozen=True, slots=True)
class Memory:
    """A memory that is still one: ``size`` words of ``width`` bits."""

    size: int
    width: int

    @property
    def bits(self) -> int:
        return self.size * self.width


@dataclass(frozen=True, slots=True)
class Instance:
    """A cell, RAM or module within a module.

    Attributes
    ----------
    kind : str
        Of a cell of Yosys's own it begins with ``$``.
    pins : dict of str to Bits
    outputs : frozenset of str
        Pins that drive; known of cells of Yosys's own and of modules.
    parameters : dict of str to str
    """

    name: str
    kind: str
    pins: dict[str, Bits]
    outputs: frozenset[str]
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Module:
    """Attributes
    ----------
    names : dict of str to Bits
        Nets of each name; several names may be of one net. Those that Yosys made up begin with ``$``.
    memories : dict of str to Memory
    """

    name: str
    ports: dict[str, Port]
    instances: tuple[Instance, ...]
    names: dict[str, Bits]
    memories: dict[str, Memory]

    @cached_property
    def inputs(self) -> frozenset[int]:
        """Nets of the input ports."""
        ports = (port for port in self.ports.values() if port.direction == "input")
        return frozenset(bit for port in ports for bit in port.bits if isinstance(bit, int))

    @cached_property
    def labels(self) -> dict[int, str]:
        """The shortest name of each net that has one of the design's own, with the index of the bit."""
        best: dict[int, str] = {}
        for name, bits in self.names.items():
            if name.startswith("$"):
                continue
            for index, bit in enumerate(bits):
                label = f"{name}[{index}]" if len(bits) > 1 else name
                if isinstance(bit, int) and (bit not in best or len(label) < len(best[bit])):
                    best[bit] = label
        return best


@dataclass(frozen=True)
class Netlist:
    """All modules of a design but black boxes, and the name of the top one."""

    top: str
    modules: dict[str, Module]

    def walk(self) -> Iterator[tuple[str, Module]]:
        """Every instance of a module with its path: "" is the top itself, levels are separated by "/", parents come first."""
        stack = [("", self.top)]
        while stack:
            path, name = stack.pop()
            module = self.modules[name]
            yield path, module
            for instance in module.instances:
                if instance.kind in self.modules:
                    stack.append((f"{path}/{instance.name}" if path else instance.name, instance.kind))

    @cached_property
    def copies(self) -> dict[str, int]:
        """How often each module occurs."""
        counts: dict[str, int] = {}
        for _, module in self.walk():
            counts[module.name] = counts.get(module.name, 0) + 1
        return counts


def _plain(name: str) -> str:
    """A name of the design that begins with ``$`` has a backslash in front, which tells it from those that Yosys makes up."""
    return name.removeprefix("\\")


class _Net(msgspec.Struct):
    bits: tuple[Bit, ...]


class _Port(_Net):
    direction: str


class _Memory(msgspec.Struct):
    size: int
    width: int


class _Cell(msgspec.Struct):
    type: str
    connections: dict[str, tuple[Bit, ...]]
    parameters: dict[str, int | str] = {}
    port_directions: dict[str, str] = {}


class _Module(msgspec.Struct):
    ports: dict[str, _Port]
    cells: dict[str, _Cell]
    netnames: dict[str, _Net]
    attributes: dict[str, int | str] = {}
    memories: dict[str, _Memory] = {}


class _File(msgspec.Struct):
    """What of Yosys's format is read; there is more in it."""

    modules: dict[str, _Module]


def _instance(name: str, cell: _Cell) -> Instance:
    outputs = frozenset(pin for pin, direction in cell.port_directions.items() if direction == "output")
    return Instance(_plain(name), cell.type, cell.connections, outputs, cell.parameters)


def _module(name: str, data: _Module) -> Module:
    return Module(
        name=name,
        ports={port: Port(port, entry.direction, entry.bits) for port, entry in data.ports.items()},
        instances=tuple(_instance(name, cell) for name, cell in data.cells.items() if cell.type != "$scopeinfo"),
        names={net: entry.bits for net, entry in data.netnames.items()},
        memories={_plain(memory): Memory(entry.size, entry.width) for memory, entry in data.memories.items()},
    )


def _is_box(data: _Module) -> bool:
    return int(str(data.attributes.get("blackbox", "0")), 2) != 0


def read_netlist(text: str | bytes, top: str) -> Netlist:
    """Read what Yosys's ``write_json`` wrote.

    Raises
    ------
    NetlistError
        Not such a text, or without a module ``top``.
    """
    try:
        found = msgspec.json.decode(text, type=_File).modules
        modules = {name: _module(name, data) for name, data in found.items() if not _is_box(data)}
    except (msgspec.DecodeError, ValueError) as error:
        raise NetlistError(f"the netlist is not as Yosys writes it: {error}") from error
    if top not in modules:
        raise NetlistError(f"the netlist holds no module {top!r}")
    return Netlist(top, modules)
