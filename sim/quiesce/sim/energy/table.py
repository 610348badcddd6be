"""The coefficient table: what a toggle, a clock edge and a memory access cost, and which class a module belongs to."""

import math
import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from quiesce.sim.energy.class_work import WORKING
from quiesce.sim.errors import EnergyError

__all__ = ["CLASSES", "EnergyTable", "SramTable", "load_table"]

CLASSES = (
    "mac", "psums", "accumulators", "weights", "iterator", "fifo", "detector", "buffers", "post-processing", "encoder", "dma",
    "control", "clock", "leakage",
)  # fmt: skip
"""What on-chip energy is split into. ``buffers`` are the activation buffers, ``clock`` the clock pins of the flip-flops, the
clock gates and the tree."""

DEFAULT_TABLE = Path(__file__).with_name("coefficients.toml")
CALIBRATION = "calibration.toml"
"""Name of the file beside a table whose entries replace the table's."""
_SMALLEST_BYTES = 512
_CORE = re.compile(r"^cluster/core_\d+")


def _segment(points: Sequence[float], x: float) -> tuple[int, float]:
    """Index of the interval of ``points`` whose line is used at x, and the position on it: 0..1 inside."""
    index = min(max(bisect_right(points, x) - 1, 0), len(points) - 2)
    low, high = math.log(points[index]), math.log(points[index + 1])
    return index, (math.log(x) - low) / (high - low)


@dataclass(frozen=True)
class SramTable:
    """Energy of an access by size and width, pJ; see the rule in the table's file.

    Parameters
    ----------
    n_bytes, bits : tuple of float
        Sizes and word widths, increasing, at least two each.
    read_pj, write_pj : tuple of tuple of float
        A row for each size, a column for each width.
    """

    n_bytes: tuple[float, ...]
    bits: tuple[float, ...]
    read_pj: tuple[tuple[float, ...], ...]
    write_pj: tuple[tuple[float, ...], ...]

    def _interpolate(self, grid: tuple[tuple[float, ...], ...], depth: int, bits: int) -> float:
        if depth < 1 or bits < 1:
            raise EnergyError(f"a memory of {depth} words of {bits} bits has no energy")
        row, v = _segment(self.n_bytes, max(depth * bits / 8, _SMALLEST_BYTES))
        column, u = _segment(self.bits, bits)
        corner = [[math.log(grid[row + i][column + j]) for j in (0, 1)] for i in (0, 1)]
        top, bottom = (values[0] + u * (values[1] - values[0]) for values in corner)
        return math.exp(top + v * (bottom - top))

    def read(self, depth: int, bits: int) -> float:
        """pJ to read one word of a memory of ``depth`` words of ``bits`` bits."""
        return self._interpolate(self.read_pj, depth, bits)

    def write(self, depth: int, bits: int) -> float:
        """pJ to write one word."""
        return self._interpolate(self.write_pj, depth, bits)


@dataclass(frozen=True)
class EnergyTable:
    """Coefficients of one process.

    Parameters
    ----------
    name : str
    excluded : str
        What the figures leave out, for reports.
    toggles_pj : dict of str to float
        Per toggle of one bit, by class.
    work_pj : dict of str to float
        Per unit of work, of classes that have an energy for it; see ``work``.
    clock_pj : float
        Per flip-flop and cycle.
    gated : bool
        Clocks have gates.
    gate_pj, clock_tree : float
        Per clock gate and cycle; energy of the tree relative to what it drives.
    clock_mhz : float
        At which the core runs.
    leakage_nw : float
        Per flip-flop.
    off_chip_pj, floor_pj : float
        Per byte; and per MAC of a bare multiplier and adder.
    error : float or None
        Relative error of the total against gates on workloads that were not fitted; None before calibration.
    sram : SramTable
    modules : tuple of (pattern, class)
        The first pattern that matches a module's path decides.
    sources : dict of str to str
        Where each figure is from.
    """

    name: str
    excluded: str
    toggles_pj: Mapping[str, float]
    work_pj: Mapping[str, float]
    clock_pj: float
    gated: bool
    gate_pj: float
    clock_tree: float
    clock_mhz: float
    leakage_nw: float
    off_chip_pj: float
    floor_pj: float
    error: float | None
    sram: SramTable
    modules: tuple[tuple[str, str], ...]
    sources: Mapping[str, str]

    def module_class(self, path: str) -> str:
        """Class of a module by its path inside the core, such as ``cluster/core_0/array/pe_3/mac``; "" is the core itself."""
        path = _CORE.sub("core", path)
        for pattern, class_ in self.modules:
            if fnmatchcase(path, pattern):
                return class_
        raise EnergyError(f"module {path!r} belongs to no class")

    def basis(self) -> dict[str, float]:
        """What derived figures are based on: the clock's frequency, the floor and, after calibration, the error."""
        return {"clock_mhz": self.clock_mhz, "floor_pj": self.floor_pj} | ({} if self.error is None else {"error": self.error})


def _positive(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        raise EnergyError(f"{where}: {value!r} is not a positive number")
    return float(value)


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise EnergyError(f"{where}: {value!r} is not a text")
    return value


def _axis(values: object, where: str) -> tuple[float, ...]:
    if not isinstance(values, list) or len(values) < 2:
        raise EnergyError(f"{where}: not a list of at least two numbers")
    axis = tuple(_positive(value, where) for value in values)
    if sorted(set(axis)) != list(axis):
        raise EnergyError(f"{where}: not increasing")
    return axis


def _grid(rows: object, shape: tuple[int, int], where: str) -> tuple[tuple[float, ...], ...]:
    whole = isinstance(rows, list) and all(isinstance(row, list) and len(row) == shape[1] for row in rows)
    if not isinstance(rows, list) or not whole or len(rows) != shape[0]:
        raise EnergyError(f"{where}: not {shape[0]} rows of {shape[1]} numbers")
    return tuple(tuple(_positive(value, where) for value in row) for row in rows)


def _flag(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise EnergyError(f"{where}: {value!r} is neither true nor false")
    return value


def _toggles(section: dict[str, Any]) -> dict[str, float]:
    """pJ per toggle of each class: its own, or that of all."""
    common = _positive(section.get("energy_fj"), "toggle.energy_fj")
    own = _classes(section, "toggle.classes", CLASSES)
    return {class_: own.get(class_, common) / 1000 for class_ in CLASSES}


def _work(section: dict[str, Any]) -> dict[str, float]:
    """pJ per unit of work of each class that has an energy for it."""
    return {class_: femtojoules / 1000 for class_, femtojoules in _classes(section, "work.classes", WORKING).items()}


def _classes(section: dict[str, Any], where: str, known: Sequence[str]) -> dict[str, float]:
    """Positive figures by class."""
    own = section.get("classes", {})
    if not isinstance(own, dict):
        raise EnergyError(f"{where}: not a table")
    for class_ in own:
        if class_ not in known:
            raise EnergyError(f"{where}: class {class_!r} is not one of {', '.join(known)}")
    return {class_: _positive(value, f"{where}.{class_}") for class_, value in own.items()}


def _error(section: object) -> float | None:
    """The calibration's error, if there is one."""
    if section is None:
        return None
    if not isinstance(section, dict):
        raise EnergyError("[calibration] is not a table")
    _text(section.get("source"), "calibration.source")
    return _positive(section.get("total_error"), "calibration.total_error")


def _parse(data: dict[str, Any]) -> EnergyTable:
    sections = ("toggle", "flip_flop", "clock", "leakage", "off_chip", "floor", "work", "sram")
    for section in sections:
        if not isinstance(data.get(section), dict):
            raise EnergyError(f"no section [{section}]")
    sources = {section: _text(data[section].get("source"), f"{section}.source") for section in sections}
    sram = data["sram"]
    n_bytes, bits = _axis(sram.get("bytes"), "sram.bytes"), _axis(sram.get("bits"), "sram.bits")
    grids = [_grid(sram.get(name), (len(n_bytes), len(bits)), f"sram.{name}") for name in ("read_pj", "write_pj")]
    modules = data.get("module")
    if not isinstance(modules, list) or not all(isinstance(entry, dict) for entry in modules):
        raise EnergyError("no list [[module]]")
    patterns = tuple((_text(entry.get("path"), "module.path"), _text(entry.get("class"), "module.class")) for entry in modules)
    for pattern, class_ in patterns:
        if class_ not in CLASSES:
            raise EnergyError(f"module {pattern!r}: class {class_!r} is not one of {', '.join(CLASSES)}")

    def number(section: str, entry: str) -> float:
        return _positive(data[section].get(entry), f"{section}.{entry}")

    return EnergyTable(
        name=_text(data.get("name"), "name"),
        excluded=_text(data.get("excluded"), "excluded"),
        toggles_pj=_toggles(data["toggle"]),
        work_pj=_work(data["work"]),
        clock_pj=number("flip_flop", "clock_energy_fj") / 1000,
        gated=_flag(data["clock"].get("gated"), "clock.gated"),
        gate_pj=number("clock", "gate_energy_fj") / 1000,
        clock_tree=number("clock", "tree"),
        clock_mhz=number("clock", "frequency_mhz"),
        leakage_nw=number("leakage", "flip_flop_nw"),
        off_chip_pj=number("off_chip", "byte_pj"),
        floor_pj=number("floor", "mac_pj"),
        error=_error(data.get("calibration")),
        sram=SramTable(n_bytes, bits, *grids),
        modules=patterns,
        sources=sources,
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EnergyError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise EnergyError(f"{path}: {error}") from error


def _replace(table: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The table with the entries of another, section by section."""
    merged = table | other
    for name, section in other.items():
        if isinstance(section, dict) and isinstance(table.get(name), dict):
            merged[name] = table[name] | section
    return merged


@cache
def load_table(path: Path = DEFAULT_TABLE) -> EnergyTable:
    """Read and check a coefficient table, with the calibration that lies beside it, if any.

    Raises
    ------
    EnergyError
        The file cannot be read or is not a complete table; the message names the entry.
    """
    data = _read(path)
    calibration = path.with_name(CALIBRATION)
    if calibration.exists():
        data = _replace(data, _read(calibration))
    try:
        return _parse(data)
    except EnergyError as error:
        raise EnergyError(f"{path}: {error}") from None
