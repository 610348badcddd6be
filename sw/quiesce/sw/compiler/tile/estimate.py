"""Estimated cycles of passes, to choose between tilings."""

from collections.abc import Iterable

from quiesce.spec.arithmetic import ceil_div
from quiesce.sw.compiler.tile.tiling import Tile

__all__ = ["pass_beats", "pass_cycles", "tile_cycles"]

DENSITY = 0.3
"""Nonzero fraction of activations; typical behind ReLU."""

OVERHEAD_CYCLES = 40
"""Of a pass that overlaps the ones beside it: its first event, the array's last operations, the sums that leave the registers."""


def tile_cycles(tile: Tile) -> int:
    """The greatest of events that the detector emits, operations of the busiest PE and outputs per unit, and the overhead.

    Each weight meets every output position once, as far as padding is not met instead.
    """
    mapping, config = tile.mapping, tile.mapping.config
    rows, cols = mapping.conv.axes
    first, last = rows.inputs_of(tile.out_rows[0], tile.out_rows[-1])
    positions = len(tile.out_rows) * cols.n_out
    density = DENSITY if config.zero_skipping else 1.0
    events = density * (last - first) * cols.size * len(mapping.ins) * mapping.n_contexts
    operations = density * positions * mapping.busiest
    outputs = positions * ceil_div(len(mapping.outs), config.post_units) if tile.drain else 0
    return OVERHEAD_CYCLES + int(max(events, operations, outputs))


def pass_beats(tiles: Iterable[Tile]) -> int:
    """Beats of the bus that bring the activations of passes side by side while these run: a byte and some mask bits each.

    None where the input is one pixel: the reader works a pass ahead, and has it before.
    """
    tiles, n_bytes = tuple(tiles), 0.0
    per_activation = DENSITY + 1 / 8 if tiles[0].mapping.config.zero_skipping else 1.0
    for tile in tiles:
        rows, cols = tile.mapping.conv.axes
        if rows.size * cols.size == 1:
            continue
        first, last = rows.inputs_of(tile.out_rows[0], tile.out_rows[-1])
        n_bytes += per_activation * (last - first) * cols.size * len(tile.mapping.ins)
    return int(n_bytes / tiles[0].mapping.config.beat_bytes)


def pass_cycles(tiles: Iterable[Tile]) -> int:
    """Passes side by side: the slowest, unless the bus brings their activations more slowly."""
    tiles = tuple(tiles)
    return max(*(tile_cycles(tile) for tile in tiles), OVERHEAD_CYCLES + pass_beats(tiles))
