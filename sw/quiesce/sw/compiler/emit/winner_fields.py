"""Pass fields of winners-take-all: what each pass has to do for the maps that are ranked."""

from quiesce.sw.compiler.schedule.network_schedule import ScheduledNetwork
from quiesce.sw.compiler.tile.tiling import Tile

__all__ = ["NO_WINNERS", "winner_fields"]

NO_WINNERS = {
    "in_ranked": 0, "in_winner_row": 0, "in_winner_step": 0, "track_maxima": 0, "first_maxima": 0, "out_winner_row": 0,
    "rank_row": 0, "rank_rows": 0, "n_winners": 0,
}  # fmt: skip
"""Pass fields of a pass that has nothing to do with winners."""


def winner_fields(scheduled: ScheduledNetwork, index: int, tile: Tile) -> dict[str, int]:
    """The pass fields of winners-take-all for a tile of pass ``index``."""
    fields, tiled, ranked = dict(NO_WINNERS), scheduled.tiled, scheduled.ranked
    layer = tiled.passes[index].layer
    source, target = ranked.get(tile.mapping.conv.source), ranked.get(layer.name)
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
