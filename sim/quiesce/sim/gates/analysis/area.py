"""Cells, area and leakage of a netlist, by module and by class of module."""

from dataclasses import asdict, dataclass
from typing import Any

from quiesce.sim.energy.table import EnergyTable
from quiesce.sim.gates.liberty.library import Library
from quiesce.sim.gates.synth.synthesis import Synthesis
from quiesce.sim.netlist import Module

__all__ = ["AreaReport", "ModuleArea", "Size", "area_report"]


@dataclass(frozen=True)
class Size:
    """What cells amount to; those in modules below are not included, and RAMs count by their bits alone."""

    cells: int = 0
    flip_flops: int = 0
    clock_gates: int = 0
    area: float = 0.0
    leakage_nw: float = 0.0
    ram_bits: int = 0

    def __add__(self, other: "Size") -> "Size":
        return Size(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    def __mul__(self, count: int) -> "Size":
        return Size(*(count * getattr(self, name) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class ModuleArea:
    """One module, without those below it.

    Parameters
    ----------
    name : str
    class_ : str
        Of its first instance, see ``sim.energy.table``.
    copies : int
    each : Size
    """

    name: str
    class_: str
    copies: int
    each: Size


@dataclass(frozen=True)
class AreaReport:
    """Attributes
    ----------
    modules : tuple of ModuleArea
        The largest (all copies together) first.
    classes : dict of str to Size
    total : Size
    """

    modules: tuple[ModuleArea, ...]
    classes: dict[str, Size]
    total: Size

    def to_dict(self) -> dict[str, Any]:
        return {
            "modules": [
                {"module": entry.name, "class": entry.class_, "copies": entry.copies, **asdict(entry.each)}
                for entry in self.modules
            ],
            "classes": {name: asdict(size) for name, size in self.classes.items()},
            "total": asdict(self.total),
        }  # fmt: skip


def _size(module: Module, library: Library, synthesis: Synthesis) -> Size:
    total = Size()
    for instance in module.instances:
        cell, ram = library.cells.get(instance.kind), synthesis.rams.get(instance.kind)
        if cell is not None:
            total += Size(1, int(cell.flip_flop is not None), int(cell.clock_gate is not None), cell.area, cell.leakage_nw)
        elif ram is not None:
            total += Size(ram_bits=ram.bits)
    return total


def area_report(synthesis: Synthesis, library: Library, table: EnergyTable) -> AreaReport:
    """Sizes of all modules that the top reaches.

    Parameters
    ----------
    table : EnergyTable
        Says which class a module belongs to, by its path in the core.
    """
    netlist = synthesis.netlist
    sizes = {name: _size(module, library, synthesis) for name, module in netlist.modules.items()}
    first: dict[str, str] = {}
    classes: dict[str, Size] = {}
    for path, module in netlist.walk():
        class_ = table.module_class("/".join(filter(None, (synthesis.path, path))))
        first.setdefault(module.name, class_)
        classes[class_] = classes.get(class_, Size()) + sizes[module.name]
    modules = [ModuleArea(name, first[name], copies, sizes[name]) for name, copies in netlist.copies.items()]
    modules.sort(key=lambda entry: -entry.copies * entry.each.area)
    total = sum((entry.each * entry.copies for entry in modules), Size())
    return AreaReport(tuple(modules), dict(sorted(classes.items(), key=lambda entry: -entry[1].area)), total)
