"""A mapped netlist: modules of cells, as Yosys writes them to JSON."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from quiesce.sim.gates.errors import NetlistError
from quiesce.sim.gates.library import Library

__all__ = ["Bit", "Instance", "Module", "Netlist", "load_netlist"]

Bit = int | str
"""A net of a module by its number, or a constant: "0", "1", "x" (which no cell looks at)."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A cell, RAM or module within a module; its pins' bits, the lowest first."""

    name: str
    kind: str
    pins: dict[str, tuple[Bit, ...]]


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a module."""

    name: str
    direction: str
    bits: tuple[Bit, ...]


@dataclass(frozen=True)
class Module:
    """Attributes
    ----------
    names : dict of int to str
        A name for each net, unique in the module.
    """

    name: str
    ports: dict[str, Port]
    instances: tuple[Instance, ...]
    names: dict[int, str]


@dataclass(frozen=True)
class Netlist:
    """All modules of a design, and the name of the top one."""

    top: str
    modules: dict[str, Module]

    def check(self, library: Library, rams: set[str]) -> None:
        """See that everything is a module, a RAM or a usable cell of the library, and that no net has two drivers.

        Raises
        ------
        NetlistError
            The message names the module and the instance.
        """
        for module in self.modules.values():
            driven: set[Bit] = {bit for port in module.ports.values() if port.direction == "input" for bit in port.bits}
            for instance in module.instances:
                where = f"module {module.name}, {instance.name}"
                for pin in self._outputs(instance, library, rams, where):
                    for bit in instance.pins.get(pin, ()):
                        if bit in driven:
                            raise NetlistError(f"{where}: a second driver of net {module.names.get(bit, bit)}")  # type: ignore[arg-type]
                        driven.add(bit)

    def _outputs(self, instance: Instance, library: Library, rams: set[str], where: str) -> list[str]:
        if instance.kind in self.modules:
            ports = self.modules[instance.kind].ports
            return [name for name, port in ports.items() if port.direction == "output"]
        if instance.kind in rams:
            return ["RD_DATA"]
        cell = library.cells.get(instance.kind)
        if cell is None or not cell.usable:
            raise NetlistError(f"{where}: {instance.kind} is no cell of library {library.name} that can be used")
        return [pin.name for pin in cell.outputs]

    def walk(self) -> Iterator[tuple[str, Module]]:
        """Every instance of a module with its path: "" is the top itself, parents come before children."""
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


def _bits(values: object, where: str) -> tuple[Bit, ...]:
    if not isinstance(values, list) or not all(isinstance(bit, int) or bit in ("0", "1", "x", "z") for bit in values):
        raise NetlistError(f"{where}: not a list of nets")
    return tuple(values)


def _names(module: Mapping[str, Any]) -> dict[int, str]:
    """The shortest name of each net that is no name of Yosys's own; those have numbers."""
    best: dict[int, str] = {}
    for name, entry in module.get("netnames", {}).items():
        bits = entry["bits"]
        if name.startswith("$"):
            continue
        for index, bit in enumerate(bits):
            label = f"{name}[{index}]" if len(bits) > 1 else name
            if isinstance(bit, int) and (bit not in best or len(label) < len(best[bit])):
                best[bit] = label
    return best


def _module(name: str, data: Mapping[str, Any]) -> Module:
    ports = {
        port: Port(port, entry["direction"], _bits(entry["bits"], f"module {name}, port {port}"))
        for port, entry in data["ports"].items()
    }
    instances = tuple(
        Instance(cell, entry["type"], {pin: _bits(bits, f"module {name}, {cell}") for pin, bits in entry["connections"].items()})
        for cell, entry in data["cells"].items()
        if entry["type"] != "$scopeinfo"
    )
    return Module(name, ports, instances, _names(data))


def load_netlist(path: Path, top: str) -> Netlist:
    """Read a netlist.

    Raises
    ------
    NetlistError
        The file cannot be read, is no netlist, or lacks the top module.
    """
    try:
        data = json.loads(path.read_text())
        boxes = {name for name, entry in data["modules"].items() if int(entry["attributes"].get("blackbox", "0"), 2)}
        modules = {name: _module(name, entry) for name, entry in data["modules"].items() if name not in boxes}
    except OSError as error:
        raise NetlistError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NetlistError(f"{path}: not a netlist of Yosys: {error!r}") from error
    if top not in modules:
        raise NetlistError(f"{path}: no module {top!r}")
    return Netlist(top, modules)
