"""Estimated cycles of passes, to choose between tilings."""

from collections.abc import Iterable

from quiesce.sw.compiler.tiling import Tile

__all__ = ["pass_cycles", "round_cycles"]

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
    operations = active * int(mapping.packed.work.sum(axis=0).max()) / (rows.n_phases * cols.n_phases)
    return OVERHEAD_CYCLES + int(max(events, operations))


def round_cycles(tiles: Iterable[Tile]) -> int:
    """Passes side by side: the slowest, unless the bus brings their activations, a byte and some mask bits each, more slowly."""
    tiles = tuple(tiles)
    n_bytes = 0.0
    for tile in tiles:
        rows, cols = tile.mapping.window.axes
        first, last = rows.inputs_of(tile.out_rows[0], tile.out_rows[-1])
        n_bytes += (DENSITY + 1 / 8) * (last - first) * cols.size * len(tile.mapping.ins)
    return max(*(pass_cycles(tile) for tile in tiles), OVERHEAD_CYCLES + int(n_bytes / tiles[0].mapping.config.beat_bytes))
