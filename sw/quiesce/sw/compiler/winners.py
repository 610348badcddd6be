"""Winners-take-all in a program: where the maxima and the marks of a map lie, and what each pass has to do for them."""

from collections.abc import Mapping
from dataclasses import dataclass

from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.config import CoreConfig
from quiesce.sw.compiler.errors import CompileError
from quiesce.sw.compiler.memory import allocate, lifetimes
from quiesce.sw.compiler.network_tiling import TiledNetwork
from quiesce.sw.compiler.tiling import Tile
from quiesce.sw.format.bitmask import channel_pitch
from quiesce.sw.format.network import Network

__all__ = ["NO_WINNERS", "RankedMap", "place_ranked", "winner_fields"]


@dataclass(frozen=True, kw_only=True)
class RankedMap:
    """A map whose channels compete.

    Members
    -------
    row : of the winner memories, each of ``detector_width`` channels, where the map begins
    plane_rows, n_planes : its planes follow each other, each from a fresh row on
    n_winners : channels that win
    """

    row: int
    plane_rows: int
    n_planes: int
    n_winners: int


def _ranked(network: Network) -> dict[str, int]:
    """Winners of each layer in which some channel loses."""
    return {layer.name: layer.winners for layer in network.layers if 0 < layer.winners < layer.cout}


def place_ranked(network: Network, tiled: TiledNetwork, config: CoreConfig) -> dict[str, RankedMap]:
    """Places for the maps of all layers with winners; maps that are needed at different times share them.

    Raises
    ------
    CompileError
        The configuration has no unit for winners, or too few places; there are several cores; or the network's output competes.
    """
    winners = _ranked(network)
    if not winners:
        return {}
    first = f"layer {next(iter(winners))!r}"
    if not config.winner_depth:
        raise CompileError(f"{first}: winners need a core with winner_depth, which is 0")
    if config.n_cores > 1:
        raise CompileError(f"{first}: winners are ranked by one core, and n_cores is {config.n_cores}")
    if network.output in winners:
        raise CompileError(f"layer {network.output!r}: winners of the output have no reader that could leave out the losers")
    plane_rows, planes = dict[str, int](), dict[str, int]()
    for name in winners:
        layout = tiled.layouts[name]
        plane_rows[name] = ceil_div(channel_pitch(layout.plane_chans), config.detector_width)
        planes[name] = ceil_div(layout.shape[2], layout.plane_chans)
    lives = {name: life for name, life in lifetimes(network).items() if name in winners}
    rows, total = allocate({name: plane_rows[name] * planes[name] for name in winners}, lives, unit=1)
    if total > config.winner_rows:
        places = total * config.detector_width
        raise CompileError(f"{first}: maps with winners take {places} places, beyond winner_depth {config.winner_depth}")
    return {
        name: RankedMap(row=rows[name], plane_rows=plane_rows[name], n_planes=planes[name], n_winners=n_winners)
        for name, n_winners in winners.items()
    }


NO_WINNERS = {
    "in_ranked": 0, "in_winner_row": 0, "in_winner_step": 0, "track_maxima": 0, "first_maxima": 0, "out_winner_row": 0,
    "rank_row": 0, "rank_rows": 0, "n_winners": 0,
}  # fmt: skip
"""Pass fields of a pass that has nothing to do with winners."""


def winner_fields(ranked: Mapping[str, RankedMap], tiled: TiledNetwork, index: int, tile: Tile) -> dict[str, int]:
    """The pass fields of winners-take-all for a tile of pass ``index``."""
    fields = dict(NO_WINNERS)
    layer = tiled.passes[index].layer
    source, target = ranked.get(tile.mapping.window.source), ranked.get(layer.name)
    if source:
        row = source.row + tile.first_in_plane * source.plane_rows
        fields |= {"in_ranked": 1, "in_winner_row": row, "in_winner_step": source.plane_rows}
    if target and tile.drain:
        same = [i for i, each in enumerate(tiled.passes) if each.layer is layer and each.tiles[0].drain]
        plane = [i for i in same if tiled.passes[i].tiles[0].out_plane == tile.out_plane]
        fields |= {
            "track_maxima": 1, "first_maxima": index == plane[0],
            "out_winner_row": target.row + tile.out_plane * target.plane_rows,
        }  # fmt: skip
        if index == same[-1]:
            fields |= {
                "rank_row": target.row, "rank_rows": target.n_planes * target.plane_rows, "n_winners": target.n_winners
            }  # fmt: skip
    return fields
