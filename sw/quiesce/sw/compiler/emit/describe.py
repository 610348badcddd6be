"""The description of a pass: its fields, from the tile and the places of all that it reads and writes."""

from quiesce.spec.isa import Region
from quiesce.sw.compiler.emit.packets import PacketWriter
from quiesce.sw.compiler.emit.passes import Placement, pass_fields, positions
from quiesce.sw.compiler.emit.state_fields import state_fields
from quiesce.sw.compiler.emit.winner_fields import winner_fields
from quiesce.sw.compiler.schedule.network_schedule import ScheduledNetwork
from quiesce.sw.compiler.tile.tiling import Tile
from quiesce.sw.format.layouts import MapLayout

__all__ = ["describe"]


def _strip(scheduled: ScheduledNetwork, name: str, strip: int) -> tuple[MapLayout, tuple[Region, int]]:
    """Layout and address of a strip of a map."""
    layout, (region, offset) = scheduled.tiled.layouts[name], scheduled.places[name]
    return layout.layouts[strip], (region, offset + layout.offset(strip))


def _source_tile(scheduled: ScheduledNetwork, index: int, source: str) -> Tile | None:
    """The tile of the last pass with outputs before this one, if these are what this one reads."""
    if scheduled.config.n_cores > 1:  # they wait for each other between layers
        return None
    written = next((each for each in reversed(scheduled.tiled.passes[:index]) if each.tiles[0].drain), None)
    return written.tiles[0] if written and written.layer.name == source else None


def describe(body: PacketWriter, scheduled: ScheduledNetwork, index: int, tile: Tile) -> None:
    """Write the description of pass ``index`` of the core that runs ``tile``."""
    each, base, conv = scheduled.tiled.passes[index], scheduled.loads.steps[index].base, tile.mapping.conv
    in_layout, in_address = _strip(scheduled, conv.source, conv.strip)
    out_layout, out_address = _strip(scheduled, each.layer.name, tile.out_strip)
    param_row = int(base[1]) // scheduled.config.params_per_row
    fields = pass_fields(
        tile,
        layer=each.layer,
        counter=each.counter,
        placement=Placement(mask_word=int(base[0]), param_row=param_row, weight_row=int(base[2])),
        in_layout=in_layout,
        in_address=in_address,
        out_layout=out_layout,
        out_address=out_address,
        signed_input=scheduled.network.limits(conv.source)[0] < 0,
        source_tile=_source_tile(scheduled, index, conv.source),
        winners=winner_fields(scheduled, index, tile),
        state=state_fields(scheduled, index, tile),
    )
    body.describe_pass(fields, positions(tile))
