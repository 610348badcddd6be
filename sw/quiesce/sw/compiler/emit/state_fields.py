"""Pass fields of streams: what a pass has to do with the item before."""

from quiesce.sw.compiler.schedule.network_schedule import ScheduledNetwork
from quiesce.sw.compiler.tile.tiling import Tile

__all__ = ["STATELESS", "state_fields"]

STATELESS = {"in_delta": 0, "out_delta": 0, "gated": 0, "delta_threshold": 0, "state_row": 0}
"""Pass fields of a pass that knows no other item."""


def state_fields(scheduled: ScheduledNetwork, index: int, tile: Tile) -> dict[str, int]:
    """The pass fields of state between items for a tile of pass ``index``."""
    layer, state = scheduled.tiled.passes[index].layer, scheduled.state
    row = state.rows.get((index, tile.core))
    fields = STATELESS | {"in_delta": int(not state.changes.isdisjoint(layer.inputs))}
    if row is None:
        return fields
    return fields | {
        "out_delta": int(layer.name in state.changes), "gated": int(layer.delta_threshold is not None),
        "delta_threshold": layer.delta_threshold or 0, "state_row": row,
    }  # fmt: skip
