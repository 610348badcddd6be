"""Winners-take-all: where the maxima and the marks of maps lie in the winner memories."""

from dataclasses import dataclass

from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.config import CoreConfig
from quiesce.sw.compiler.errors import CompileError
from quiesce.sw.compiler.schedule.memory import allocate, lifetimes
from quiesce.sw.compiler.tile.network_tiling import TiledNetwork
from quiesce.sw.format.layouts import channel_pitch
from quiesce.sw.format.network import Network

__all__ = ["RankedMap", "place_ranked"]


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
