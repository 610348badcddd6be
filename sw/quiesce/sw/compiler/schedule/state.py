"""Streams: which maps lie in memory as changes, and where layers keep sums and sent values from item to item."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from quiesce.spec.config import CoreConfig
from quiesce.sw.compiler.errors import CompileError
from quiesce.sw.compiler.lower.sums import change_sums_fit
from quiesce.sw.compiler.tile.network_tiling import TiledNetwork
from quiesce.sw.compiler.tile.tiling import Tile
from quiesce.sw.format.changes import delta_maps
from quiesce.sw.format.network import INPUT, Network

__all__ = ["StateSchedule", "choose_changes", "place_state"]

Rows = npt.NDArray[np.int64]
"""Rows of the state memory of each core."""


@dataclass(frozen=True, kw_only=True)
class StateSchedule:
    """How a network computes the items of a stream from one another.

    Members
    -------
    changes : maps ("input" or a layer's name) that lie in memory as changes since the item before
    rows : first row of state of each pass with outputs, by its index and core
    layer_rows : rows of each layer that keeps state, all cores
    """

    changes: frozenset[str] = frozenset()
    rows: dict[tuple[int, int], int] = field(default_factory=dict)
    layer_rows: dict[str, int] = field(default_factory=dict)


def _tile_rows(config: CoreConfig, tiled: TiledNetwork, name: str, tile: Tile) -> int:
    """Rows of state of a tile: one for each chunk of an output pixel that a group of sums has a part in."""
    out_row = tiled.layouts[name].layouts[tile.out_strip].row
    chunks = max(1, out_row.pitch // config.post_units)
    per_pixel = min(chunks, tile.mapping.n_groups * config.lanes // config.post_units)
    return len(tile.out_rows) * tile.mapping.conv.axes[1].n_out * per_pixel


def _rows_by_layer(network: Network, config: CoreConfig, tiled: TiledNetwork) -> dict[str, Rows]:
    rows: dict[str, Rows] = {layer.name: np.zeros(config.n_cores, np.int64) for layer in network.layers}
    for each in tiled.passes:
        for tile in each.tiles:
            if tile.drain:
                rows[each.layer.name][tile.core] += _tile_rows(config, tiled, each.layer.name, tile)
    return rows


def _coded_together(network: Network, config: CoreConfig) -> list[frozenset[str]]:
    """Sets of maps that lie in memory as changes all or none, as a layer reads them together; only those that may."""
    allowed = delta_maps(network)
    sets = {name: {name} for name in allowed}
    barred: set[str] = set()
    for layer in network.layers:
        if not allowed.issuperset(layer.inputs):
            continue
        merged = set().union(*(sets[name] for name in layer.inputs))
        sets.update(dict.fromkeys(merged, merged))
        if not change_sums_fit(network, layer, config):
            barred.update(layer.inputs)
    distinct = {id(maps): maps for maps in sets.values()}.values()
    return [frozenset(maps) for maps in distinct if barred.isdisjoint(maps)]


def _held(network: Network) -> set[str]:
    """Layers that hold outputs back, and need their sent values for it."""
    return {layer.name for layer in network.layers if layer.delta_threshold}


def _check_held(network: Network, config: CoreConfig, rows: Mapping[str, Rows]) -> Rows:
    """Rows that are free beside those of layers that hold outputs back."""
    if not config.state_depth:
        raise CompileError("streams need a core with state_depth, which is 0")
    free = np.full(config.n_cores, config.state_rows) - sum(rows[name] for name in _held(network))
    if free.min() < 0:
        first = next(layer.name for layer in network.layers if layer.delta_threshold)
        needed = (config.state_rows - int(free.min())) * config.post_units
        raise CompileError(
            f"layer {first!r}: layers with a delta threshold keep {needed} outputs, beyond state_depth {config.state_depth}"
        )
    return np.asarray(free, np.int64)


def choose_changes(network: Network, config: CoreConfig, tiled: TiledNetwork, saved: Mapping[str, float]) -> frozenset[str]:
    """Which maps lie in memory as changes: those whose readers save most by it for the state that it takes, as far as that fits.

    The layer that computes such a map keeps what it sent, the layers that read it keep their sums. Layers that hold outputs back
    have their state first.

    Parameters
    ----------
    tiled : TiledNetwork
        However the maps lie in memory.
    saved : mapping of str to float
        MACs of an item that a layer saves by reading changes.

    Raises
    ------
    CompileError
        The core keeps no state, or less than the layers need that hold outputs back.
    """
    rows = _rows_by_layer(network, config, tiled)
    free, keeps = _check_held(network, config, rows), _held(network)
    left, chosen = _coded_together(network, config), set[str]()
    readers = {maps: {layer.name for layer in network.layers if not maps.isdisjoint(layer.inputs)} for maps in left}
    gains = {maps: sum(saved[name] for name in readers[maps]) for maps in left}
    left = [maps for maps in left if gains[maps] > 0]

    def cost(maps: frozenset[str]) -> Rows:
        return np.asarray(sum((rows[name] for name in (readers[maps] | maps) - keeps - {INPUT}), np.zeros_like(free)))

    while left:
        best = max(left, key=lambda maps: (gains[maps] / max(1, int(cost(maps).max())), sorted(maps)))
        left.remove(best)
        if np.all(cost(best) <= free):
            free = free - cost(best)
            keeps |= (readers[best] | best) - {INPUT}
            chosen |= best
    return frozenset(chosen)


def place_state(network: Network, config: CoreConfig, tiled: TiledNetwork, changes: frozenset[str]) -> StateSchedule | None:
    """Rows of state for all layers that read or send changes or hold outputs back; None if they do not fit.

    Layers whose threshold is 0 have some, too, as long as there is room: the host may raise their threshold.
    """
    needed = _rows_by_layer(network, config, tiled)
    coded = {layer.name for layer in network.layers if layer.name in changes or not changes.isdisjoint(layer.inputs)}
    keeps = coded | _held(network)
    free = config.state_rows - sum((needed[name] for name in keeps), np.zeros(config.n_cores, np.int64))
    if free.min() < 0:
        return None
    for layer in network.layers:
        if layer.name not in keeps and layer.delta_threshold is not None and np.all(needed[layer.name] <= free):
            keeps.add(layer.name)
            free = free - needed[layer.name]
    rows, next_row = dict[tuple[int, int], int](), [0] * config.n_cores
    for index, each in enumerate(tiled.passes):
        for tile in each.tiles:
            if tile.drain and each.layer.name in keeps:
                rows[index, tile.core] = next_row[tile.core]
                next_row[tile.core] += _tile_rows(config, tiled, each.layer.name, tile)
    layer_rows = {layer.name: int(needed[layer.name].sum()) for layer in network.layers if layer.name in keeps}
    return StateSchedule(changes=changes, rows=rows, layer_rows=layer_rows)
