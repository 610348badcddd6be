"""Estimated cycles of a pass, to choose between tilings."""

from quiesce.sw.compiler.tiling import Tile

__all__ = ["pass_cycles"]

DENSITY = 0.3
"""Nonzero fraction of activations; typical behind ReLU."""

OVERHEAD_CYCLES = 130
"""From pass to pass: description, first activations, last outputs."""


def pass_cycles(tile: Tile) -> int:
    """The greater of the events that the detector emits and the operations of the busiest PE, and what a pass costs anyway."""
    mapping = tile.mapping
    rows, cols = mapping.window.axes
    first, last = rows.inputs_of(tile.out_rows[0], tile.out_rows[-1])
    active = DENSITY * (last - first) * cols.size
    events = active * len(mapping.ins) * mapping.n_contexts
    operations = active * max(len(values) for values in mapping.packed.values) / (rows.n_phases * cols.n_phases)
    return OVERHEAD_CYCLES + int(max(events, operations))
