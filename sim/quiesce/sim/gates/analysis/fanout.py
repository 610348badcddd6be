"""Trees of buffers for nets of many sinks, estimated: abc buffers within a module only, and nothing is placed yet.

A net of more than ``MAX_SINKS`` sinks is taken to end in as many levels of one kind of buffer as are needed for no more than
``MAX_SINKS`` sinks each. The trees are not in the netlist: they add delay, area, leakage and, when the net toggles, energy.
"""

from dataclasses import dataclass
from math import ceil

from quiesce.sim.gates.liberty.library import Cell, Library

__all__ = ["MAX_SINKS", "BufferTree", "buffer_tree", "choose_buffer"]

MAX_SINKS = 16
_NEARLY = 1.25
"""Delay that is accepted, relative to the fastest: strong buffers gain little and take a multiple of the energy."""


@dataclass(frozen=True)
class BufferTree:
    """Buffers between a driver and its sinks.

    Parameters
    ----------
    cell : Cell
    buffers : int
        Of all levels.
    driver_load : float
        fF that the driver sees.
    stage_loads : tuple of float
        fF that a buffer of each level sees, from the driver to the sinks.
    total_load : float
        fF of all pins and wires, those of the sinks included.
    """

    cell: Cell
    buffers: int
    driver_load: float
    stage_loads: tuple[float, ...]
    total_load: float

    @property
    def area(self) -> float:
        return self.buffers * self.cell.area


def choose_buffer(library: Library) -> Cell | None:
    """The smallest buffer that drives ``MAX_SINKS`` of its own kind nearly as fast as any other does; None if there is none."""

    def delay(cell: Cell) -> float:
        load = MAX_SINKS * cell.inputs[0].capacitance + library.wire(MAX_SINKS)
        arcs = cell.outputs[0].arcs
        return max((table.at(library.slew, load) for arc in arcs for table in arc.tables.values()), default=0.0)

    buffers = [cell for cell in library.cells.values() if cell.computes(1, "01")]
    fastest = min(map(delay, buffers), default=0.0)
    return min((cell for cell in buffers if delay(cell) <= _NEARLY * fastest), key=lambda cell: cell.area, default=None)


def buffer_tree(library: Library, buffer: Cell, sinks: int, pins: float) -> BufferTree | None:
    """The tree of a net with ``sinks`` pins of together ``pins`` fF; None if it needs none."""
    if sinks <= MAX_SINKS:
        return None
    pin = buffer.inputs[0].capacitance
    levels = [sinks]
    while levels[-1] > MAX_SINKS:
        levels.append(ceil(levels[-1] / MAX_SINKS))
    counts = levels[1:]  # buffers of each level, from the sinks to the driver
    stage_loads, total = [], 0.0
    for driven, count in zip(levels, counts, strict=False):
        load = (pins if driven == sinks else driven * pin) + count * library.wire(ceil(driven / count))
        stage_loads.append(load / count)
        total += load
    driver_load = counts[-1] * pin + library.wire(counts[-1])
    return BufferTree(buffer, sum(counts), driver_load, tuple(reversed(stage_loads)), total + driver_load)
