"""How much of the weight memories a pass may take, so that the weights of the passes after it load in time."""

from dataclasses import dataclass

from quiesce.spec.config import CoreConfig
from quiesce.sw.compiler.schedule.placement import LoadSchedule, schedule_loads
from quiesce.sw.compiler.tile.estimate import pass_beats, pass_cycles
from quiesce.sw.compiler.tile.network_tiling import TiledNetwork, tile_network
from quiesce.sw.format.network import Network

__all__ = ["ScheduledNetwork", "schedule_network"]

SHARES = (2, 4, 8)
"""Parts of the weight memories that one pass may take, 1/n, if the weights do not all fit: small parts leave more of the memories
to weights that stay, large ones make fewer passes."""

COLD_SHARES = (4, 16, 64, 256)
"""The same for a cold start, where a small part lets the first pass begin early."""


@dataclass(frozen=True)
class ScheduledNetwork:
    """A network cut into passes, and where the weights of these lie when."""

    tiled: TiledNetwork
    loads: LoadSchedule


def _scheduled(network: Network, config: CoreConfig, share: int, cold: bool) -> ScheduledNetwork:
    tiled = tile_network(network, config, share)
    mappings = [each.mappings for each in tiled.passes]
    compute, act_beats = ([estimate(each.tiles) for each in tiled.passes] for estimate in (pass_cycles, pass_beats))
    return ScheduledNetwork(tiled, schedule_loads(config, mappings, compute, act_beats, cold=cold))


def schedule_network(network: Network, config: CoreConfig, *, cold: bool = False) -> ScheduledNetwork:
    """Keep all weights on chip if they fit; else find the share of the memories with which an item takes the fewest cycles.

    Parameters
    ----------
    cold : bool
        Keep none: see `placement.schedule_loads`. The shares then also say how soon the first pass has its weights.

    Raises
    ------
    CompileError
        See `tile_network`.
    """
    whole = _scheduled(network, config, 1, cold)
    if not whole.loads.streams:
        return whole
    candidates = [whole, *(_scheduled(network, config, share, cold) for share in (COLD_SHARES if cold else SHARES))]
    return min(candidates, key=lambda scheduled: scheduled.loads.cycles)
