"""Cuts all layers of a network into passes, with planes that every reader accepts and weights that load in time."""

from collections.abc import Mapping as Dict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.config import CoreConfig
from quiesce.sw.compiler.errors import CompileError
from quiesce.sw.compiler.estimate import round_beats, round_cycles
from quiesce.sw.compiler.mapping import Mapping
from quiesce.sw.compiler.partition import splits
from quiesce.sw.compiler.pieces import pieces
from quiesce.sw.compiler.placement import LoadSchedule, schedule
from quiesce.sw.compiler.strips import StripedLayout, strips_of
from quiesce.sw.compiler.tiling import LayerTiling, Tile, input_block, plane_limit, tile_layer
from quiesce.sw.compiler.window import Window
from quiesce.sw.format.geometry import MapShape
from quiesce.sw.format.layer import Layer
from quiesce.sw.format.network import INPUT, Network

__all__ = ["Pass", "TiledNetwork", "tile_network"]

SHARES = (2, 4, 8)
"""Parts of the weight memories that one pass may take, 1/n, if the weights do not all fit: small parts leave more of the memories
to weights that stay, large ones make fewer passes."""

COLD_SHARES = (4, 16, 64, 256)
"""The same for a cold start, where a small part lets the first pass begin early."""


@dataclass(frozen=True)
class Pass:
    """A pass of each of some cores, in the order of execution; ``counter`` is the counter set of their layer."""

    layer: Layer
    counter: int
    tiles: tuple[Tile, ...]

    @property
    def mappings(self) -> tuple[Mapping, ...]:
        """The distinct mappings, in the order of the cores."""
        return tuple({id(tile.mapping): tile.mapping for tile in self.tiles}.values())


@dataclass(frozen=True)
class TiledNetwork:
    """A network cut into passes: map layouts and tilings by name, passes in order, and where their weights lie when."""

    layouts: dict[str, StripedLayout]
    tilings: dict[str, LayerTiling]
    passes: tuple[Pass, ...]
    schedule: LoadSchedule

    @cached_property
    def cores(self) -> dict[int, int]:
        """Bit mask of the cores that use a mapping, by its `id`."""
        users: dict[int, int] = {}
        for each in self.passes:
            for tile in each.tiles:
                users[id(tile.mapping)] = users.get(id(tile.mapping), 0) | 1 << tile.core
        return users


def _accepted(config: CoreConfig, window: Window, limit: int, share: int) -> int:
    """Most channels of an input plane, ``limit`` or what is left of it after halving, whose weights fit; 0 if there are none."""
    while limit and not input_block(config, window, limit, share):
        limit = ceil_div(limit, 2) if limit > 1 else 0
    return limit


def _windows(
    config: CoreConfig, layer: Layer, shapes: Dict[str, MapShape], strips: Dict[str, tuple[range, ...]]
) -> list[list[Window]]:
    """For each strip of the layer's output the pieces whose sum it is, small enough that the weights of one channel fit."""
    in_shapes = tuple(shapes[name] for name in layer.inputs)
    whole = [Window(layer=layer, shapes=in_shapes, operand=operand) for operand in range(len(in_shapes))]
    most_taps = prod(axis.kernel for axis in whole[0].whole_axes)
    while True:
        groups = [
            [piece for window in whole for piece in pieces(config, window, strips[window.source], out_cols, most_taps=most_taps)]
            for out_cols in strips[layer.name]
        ]
        if most_taps == 1 or all(input_block(config, window, 1, 1) for group in groups for window in group):
            break
        most_taps = ceil_div(most_taps, 2)
    # Where a strip of the output sees padding only, a pass reads one row in vain: the first kernel entry meets nothing either.
    in_vain = replace(whole[0], in_rows=range(1), in_cols=strips[whole[0].source][0], taps=(range(1), range(1)))
    return [group or [replace(in_vain, out_cols=out_cols)] for group, out_cols in zip(groups, strips[layer.name], strict=True)]


def _shared(
    config: CoreConfig, windows: Sequence[Sequence[Window]], plane_chans: Sequence[int], out_limit: int, share: int
) -> LayerTiling:
    """Tile a layer for all cores, in the way that is estimated to take them the fewest cycles."""
    first, *others = splits(config, windows[0][0])
    tilings = [tile_layer(config, windows, plane_chans, out_limit, share, first)]
    for split in others:
        with suppress(CompileError):
            tilings.append(tile_layer(config, windows, plane_chans, out_limit, share, split))
    return min(tilings, key=lambda tiling: sum(round_cycles(tiles) for tiles in tiling.rounds))


def _tile(network: Network, config: CoreConfig, share: int, cold: bool) -> TiledNetwork:
    """Tile so that the weights of a pass take at most 1/``share`` of the memories, or all where that is impossible."""
    shapes = network.shapes()
    strips = {name: strips_of(config, shape[1], name != INPUT) for name, shape in shapes.items()}
    windows = {layer.name: _windows(config, layer, shapes, strips) for layer in network.layers}
    limits: dict[str, int] = {}
    for name, (_, _, chans) in shapes.items():
        try:
            limit = plane_limit(config, len(strips[name][0]), chans)
        except CompileError as error:
            raise CompileError(f"map {name!r}: {error}") from None
        for window in (window for layer in network.layers for group in windows[layer.name] for window in group):
            if window.source == name:
                limit = _accepted(config, window, limit, share) or _accepted(config, window, limit, 1) or 1
        limits[name] = limit
    layouts = {
        INPUT: StripedLayout(
            shape=shapes[INPUT], plane_chans=limits[INPUT], bits=network.bits(INPUT), strips=strips[INPUT],
            dense=not config.zero_skipping,
            checked_beat=config.checked_beat,
        )
    }  # fmt: skip
    tilings: dict[str, LayerTiling] = {}
    for layer in network.layers:
        in_planes = [layouts[name].plane_chans for name in layer.inputs]
        tiling = _shared(config, windows[layer.name], in_planes, limits[layer.name], share)
        tilings[layer.name] = tiling
        layouts[layer.name] = StripedLayout(
            shape=shapes[layer.name],
            plane_chans=tiling.plane_chans,
            bits=layer.bits,
            strips=strips[layer.name],
            dense=not config.zero_skipping,
            checked_beat=config.checked_beat,
        )
    passes = tuple(
        Pass(layer, index, tiles) for index, layer in enumerate(network.layers) for tiles in tilings[layer.name].rounds
    )
    mappings = [each.mappings for each in passes]
    compute, act_beats = ([estimate(each.tiles) for each in passes] for estimate in (round_cycles, round_beats))
    return TiledNetwork(layouts, tilings, passes, schedule(config, mappings, compute, act_beats, cold=cold))


def tile_network(network: Network, config: CoreConfig, *, cold: bool = False) -> TiledNetwork:
    """Keep all weights on chip if they fit; else find the share of the memories with which an item takes the fewest cycles.

    Parameters
    ----------
    cold : bool
        Keep none: see `placement.schedule`. The shares then also say how soon the first pass has its weights.

    Raises
    ------
    CompileError
        No tiling of some layer runs on this configuration; the message names the layer and the reason.
    """
    whole = _tile(network, config, 1, cold)
    if not whole.schedule.streams:
        return whole
    candidates = [whole, *(_tile(network, config, share, cold) for share in (COLD_SHARES if cold else SHARES))]
    return min(candidates, key=lambda tiled: tiled.schedule.cycles)
