"""Cuts all layers of a network into passes, with planes that every reader accepts."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.config import CoreConfig
from quiesce.sw.compiler.errors import CompileError
from quiesce.sw.compiler.lower.convolution import Convolution
from quiesce.sw.compiler.tile.estimate import pass_cycles
from quiesce.sw.compiler.tile.mapping import TileMapping
from quiesce.sw.compiler.tile.partition import splits
from quiesce.sw.compiler.tile.pieces import pieces
from quiesce.sw.compiler.tile.strips import StripedLayout, strips_of
from quiesce.sw.compiler.tile.tiling import LayerTiling, Tile, input_block, plane_limit, tile_layer
from quiesce.sw.format.geometry import MapShape
from quiesce.sw.format.layer import Layer
from quiesce.sw.format.layouts import MapLayout
from quiesce.sw.format.network import INPUT, Network

__all__ = ["Pass", "TiledNetwork", "tile_network"]


@dataclass(frozen=True)
class Pass:
    """A pass of each of some cores, in the order of execution; ``counter`` is the counter set of their layer."""

    layer: Layer
    counter: int
    tiles: tuple[Tile, ...]

    @property
    def mappings(self) -> tuple[TileMapping, ...]:
        """The distinct mappings, in the order of the cores."""
        return tuple(dict.fromkeys(tile.mapping for tile in self.tiles))


@dataclass(frozen=True)
class TiledNetwork:
    """A network cut into passes: map layouts and tilings by name, and passes in order."""

    layouts: dict[str, StripedLayout]
    tilings: dict[str, LayerTiling]
    passes: tuple[Pass, ...]

    @cached_property
    def cores(self) -> dict[TileMapping, int]:
        """Bit mask of the cores that use a mapping."""
        users: dict[TileMapping, int] = {}
        for each in self.passes:
            for tile in each.tiles:
                users[tile.mapping] = users.get(tile.mapping, 0) | 1 << tile.core
        return users


def _accepted(config: CoreConfig, conv: Convolution, limit: int, share: int) -> int:
    """Most channels of an input plane, ``limit`` or what is left of it after halving, whose weights fit; 0 if there are none."""
    while limit and not input_block(config, conv, limit, share):
        limit = ceil_div(limit, 2) if limit > 1 else 0
    return limit


def _convolutions(
    config: CoreConfig, layer: Layer, shapes: Mapping[str, MapShape], strips: Mapping[str, tuple[range, ...]]
) -> list[list[Convolution]]:
    """For each strip of the layer's output the pieces whose sum it is, small enough that the weights of one channel fit."""
    in_shapes = tuple(shapes[name] for name in layer.inputs)
    whole = [Convolution(layer=layer, shapes=in_shapes, operand=operand) for operand in range(len(in_shapes))]
    most_taps = prod(axis.kernel for axis in whole[0].whole_axes)
    while True:
        groups = [
            [piece for conv in whole for piece in pieces(config, conv, strips[conv.source], out_cols, most_taps=most_taps)]
            for out_cols in strips[layer.name]
        ]
        if most_taps == 1 or all(input_block(config, conv, 1, 1) for group in groups for conv in group):
            break
        most_taps = ceil_div(most_taps, 2)
    # Where a strip of the output sees padding only, a pass reads one row in vain: the first kernel entry meets nothing either.
    in_vain = replace(whole[0], in_rows=range(1), in_cols=strips[whole[0].source][0], taps=(range(1), range(1)))
    return [group or [replace(in_vain, out_cols=out_cols)] for group, out_cols in zip(groups, strips[layer.name], strict=True)]


def _shared(
    config: CoreConfig, convs: Sequence[Sequence[Convolution]], plane_chans: Sequence[int], out_limit: int, share: int
) -> LayerTiling:
    """Tile a layer for all cores, in the way that is estimated to take them the fewest cycles."""
    first, *others = splits(config, convs[0][0])
    tilings = [tile_layer(config, convs, plane_chans, out_limit, share, first)]
    for split in others:
        with suppress(CompileError):
            tilings.append(tile_layer(config, convs, plane_chans, out_limit, share, split))
    return min(tilings, key=lambda tiling: sum(pass_cycles(tiles) for tiles in tiling.passes))


def tile_network(network: Network, config: CoreConfig, share: int, changes: frozenset[str] = frozenset()) -> TiledNetwork:
    """Tile so that the weights of a pass take at most 1/``share`` of the memories, or all where that is impossible.

    Parameters
    ----------
    changes : frozenset of str
        Maps that lie in memory as changes since the item before.

    Raises
    ------
    CompileError
        No tiling of some layer runs on this configuration; the message names the layer and the reason.
    """
    shapes = network.shapes()
    strips = {name: strips_of(config, shape[1], name != INPUT) for name, shape in shapes.items()}
    convs = {layer.name: _convolutions(config, layer, shapes, strips) for layer in network.layers}
    limits: dict[str, int] = {}
    for name, (_, _, chans) in shapes.items():
        try:
            limit = plane_limit(config, len(strips[name][0]), chans)
        except CompileError as error:
            raise CompileError(f"map {name!r}: {error}") from None
        for conv in (conv for layer in network.layers for group in convs[layer.name] for conv in group):
            if conv.source == name:
                limit = _accepted(config, conv, limit, share) or _accepted(config, conv, limit, 1) or 1
        limits[name] = limit

    def layout(name: str, plane_chans: int) -> StripedLayout:
        whole = MapLayout(
            shape=shapes[name], plane_chans=plane_chans, dense=not config.zero_skipping, checked_beat=config.checked_beat,
            bits=network.delta_bits(name) if name in changes else network.bits(name),
        )  # fmt: skip
        return StripedLayout(whole=whole, strips=strips[name])

    layouts = {INPUT: layout(INPUT, limits[INPUT])}
    tilings: dict[str, LayerTiling] = {}
    for layer in network.layers:
        in_planes = [layouts[name].plane_chans for name in layer.inputs]
        tiling = _shared(config, convs[layer.name], in_planes, limits[layer.name], share)
        tilings[layer.name] = tiling
        layouts[layer.name] = layout(layer.name, tiling.plane_chans)
    passes = tuple(
        Pass(layer, index, tiles) for index, layer in enumerate(network.layers) for tiles in tilings[layer.name].passes
    )
    return TiledNetwork(layouts, tilings, passes)
