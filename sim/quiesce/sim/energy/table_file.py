"""The form of a coefficient table's file: sections with figures, their source and the rule by which they are used."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from quiesce.sim.energy.class_work import WorkingClass
from quiesce.sim.errors import EnergyError
from quiesce.sw.files import FileError, convert

__all__ = ["EnergyClass", "TableFile", "read_table_file"]

EnergyClass = Literal[
    "mac", "psums", "accumulators", "weights", "walker", "fifo", "detector", "buffers", "post-processing", "encoder", "dma",
    "control", "clock", "leakage",
]  # fmt: skip
_Positive = Annotated[float, Meta(gt=0, lt=1e12)]  # infinity is none
_Text = Annotated[str, Meta(min_length=1)]
_Row = tuple[_Positive, ...]

_section = dataclass(frozen=True, kw_only=True)


@_section
class _Section:
    source: _Text
    rule: str = ""


@_section
class _Toggle(_Section):
    energy_fj: _Positive
    classes: dict[EnergyClass, _Positive] = field(default_factory=dict)


@_section
class _FlipFlop(_Section):
    clock_energy_fj: _Positive


@_section
class _Clock(_Section):
    gated: bool
    gate_energy_fj: _Positive
    tree: _Positive
    frequency_mhz: _Positive


@_section
class _Leakage(_Section):
    flip_flop_nw: _Positive


@_section
class _OffChip(_Section):
    byte_pj: _Positive


@_section
class _Floor(_Section):
    mac_pj: _Positive


@_section
class _Work(_Section):
    classes: dict[WorkingClass, _Positive] = field(default_factory=dict)


@_section
class _Sram(_Section):
    bytes: _Row
    bits: _Row
    read_pj: tuple[_Row, ...]
    write_pj: tuple[_Row, ...]

    def __post_init__(self) -> None:
        for name in ("bytes", "bits"):
            axis = getattr(self, name)
            if len(axis) < 2 or sorted(set(axis)) != list(axis):
                raise ValueError(f"{name} are not two or more increasing numbers")
        for name in ("read_pj", "write_pj"):
            if [len(row) for row in getattr(self, name)] != [len(self.bits)] * len(self.bytes):
                raise ValueError(f"{name}: not {len(self.bytes)} rows of {len(self.bits)} numbers")


@_section
class _Calibration:
    source: _Text
    total_error: _Positive
    classes: dict[EnergyClass, float] = field(default_factory=dict)


class _ModuleClass(Struct, frozen=True, kw_only=True, rename={"class_": "class"}):
    path: _Text
    class_: EnergyClass


@_section
class TableFile:
    """See ``coefficients.toml``, which explains each section, and ``EnergyTable``."""

    name: _Text
    excluded: _Text
    toggle: _Toggle
    flip_flop: _FlipFlop
    clock: _Clock
    leakage: _Leakage
    off_chip: _OffChip
    floor: _Floor
    work: _Work
    sram: _Sram
    module: tuple[_ModuleClass, ...]
    calibration: _Calibration | None = None


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


def read_table_file(path: Path, calibration: Path) -> TableFile:
    """Read a file; entries of ``calibration``, if there is such a file, replace its own.

    Raises
    ------
    EnergyError
        A file cannot be read or is not a complete table; the message names the entry.
    """
    data = _read(path)
    if calibration.exists():
        data = _replace(data, _read(calibration))
    try:
        return convert(data, TableFile, str(path))
    except FileError as error:
        raise EnergyError(str(error)) from error
