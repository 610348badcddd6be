"""The coefficient table: what a toggle, a clock edge and a memory access cost, and which class a module belongs to."""

import math
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import get_args

from quiesce.sim.energy.table_file import EnergyClass, TableFile, read_table_file
from quiesce.sim.errors import EnergyError

__all__ = ["CLASSES", "EnergyTable", "SramTable", "load_table"]

CLASSES: tuple[str, ...] = get_args(EnergyClass)
"""What on-chip energy is split into. ``buffers`` are the activation buffers, ``clock`` the clock pins of the flip-flops, the
clock gates and the tree."""

DEFAULT_TABLE = Path(__file__).with_name("coefficients.toml")
CALIBRATION = "calibration.toml"
"""Name of the file beside a table whose entries replace the table's."""
_SMALLEST_BYTES = 512
_SECTIONS = ("toggle", "flip_flop", "clock", "leakage", "off_chip", "floor", "work", "sram")
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


def _from_file(file: TableFile) -> EnergyTable:
    return EnergyTable(
        name=file.name,
        excluded=file.excluded,
        toggles_pj={class_: file.toggle.classes.get(class_, file.toggle.energy_fj) / 1000 for class_ in get_args(EnergyClass)},
        work_pj={class_: femtojoules / 1000 for class_, femtojoules in file.work.classes.items()},
        clock_pj=file.flip_flop.clock_energy_fj / 1000,
        gated=file.clock.gated,
        gate_pj=file.clock.gate_energy_fj / 1000,
        clock_tree=file.clock.tree,
        clock_mhz=file.clock.frequency_mhz,
        leakage_nw=file.leakage.flip_flop_nw,
        off_chip_pj=file.off_chip.byte_pj,
        floor_pj=file.floor.mac_pj,
        error=file.calibration.total_error if file.calibration else None,
        sram=SramTable(file.sram.bytes, file.sram.bits, file.sram.read_pj, file.sram.write_pj),
        modules=tuple((entry.path, entry.class_) for entry in file.module),
        sources={name: getattr(file, name).source for name in _SECTIONS},
    )


@cache
def load_table(path: Path = DEFAULT_TABLE) -> EnergyTable:
    """Read and check a coefficient table, with the calibration that lies beside it, if any.

    Raises
    ------
    EnergyError
        The file cannot be read or is not a complete table; the message names the entry.
    """
    return _from_file(read_table_file(path, path.with_name(CALIBRATION)))
