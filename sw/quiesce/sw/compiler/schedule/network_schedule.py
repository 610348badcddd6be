"""A network as passes with a place for everything: how much of the weight memories each may take, so that others load in time."""

from collections.abc import Mapping
from dataclasses import dataclass

from quiesce.spec.config import CoreConfig
from quiesce.sw.compiler.schedule.memory import Place, place_maps
from quiesce.sw.compiler.schedule.placement import LoadSchedule, schedule_loads
from quiesce.sw.compiler.schedule.state import StateSchedule, choose_changes, place_state
from quiesce.sw.compiler.schedule.winners import RankedMap, place_ranked
from quiesce.sw.compiler.tile.estimate import pass_beats, pass_cycles
from quiesce.sw.compiler.tile.network_tiling import TiledNetwork, tile_network
from quiesce.sw.format.network import Network

__all__ = ["ScheduledNetwork", "schedule_network"]

SHARES = (2, 4, 8)
"""Parts of the weight memories that one pass may take, 1/n, if the weights do not all fit: small parts leave more of the memories
to weights that stay, large ones make fewer passes."""

COLD_SHARES = (4, 16, 64, 256)
"""The same for a cold start, where a small part lets the first pass begin early."""


@dataclass(frozen=True, kw_only=True)
class ScheduledNetwork:
    """A network cut into passes, and where everything lies when.

    Members
    -------
    tiled : the passes in order
    loads : places of weights and parameters on chip, and when they are loaded
    places : of the maps in memory, by name
    scratch_bytes : size of region SCRATCH
    ranked : places of the maps with winners, by name
    state : what is kept from item to item
    """

    network: Network
    config: CoreConfig
    tiled: TiledNetwork
    loads: LoadSchedule
    places: dict[str, Place]
    scratch_bytes: int
    ranked: dict[str, RankedMap]
    state: StateSchedule


def _scheduled(
    network: Network, config: CoreConfig, share: int, cold: bool, changes: frozenset[str]
) -> tuple[TiledNetwork, LoadSchedule]:
    tiled = tile_network(network, config, share, changes)
    mappings = [each.mappings for each in tiled.passes]
    compute, act_beats = ([estimate(each.tiles) for each in tiled.passes] for estimate in (pass_cycles, pass_beats))
    return tiled, schedule_loads(config, mappings, compute, act_beats, cold=cold)


def _fastest(
    network: Network, config: CoreConfig, cold: bool, changes: frozenset[str] = frozenset()
) -> tuple[TiledNetwork, LoadSchedule]:
    """Keep all weights on chip if they fit; else find the share of the memories with which an item takes the fewest cycles."""
    whole = _scheduled(network, config, 1, cold, changes)
    if not whole[1].streams:
        return whole
    shares = COLD_SHARES if cold else SHARES
    candidates = [whole, *(_scheduled(network, config, share, cold, changes) for share in shares)]
    return min(candidates, key=lambda candidate: candidate[1].cycles)


def _with_state(
    network: Network, config: CoreConfig, cold: bool, saved: Mapping[str, float]
) -> tuple[TiledNetwork, LoadSchedule, StateSchedule]:
    """Passes that compute the items of a stream from one another. How a map lies in memory has a say in how layers are cut into
    passes, on which depends the state that they need: while that is too much, the layer that saves least goes without."""
    tiled, _ = _fastest(network, config, cold)
    saved = dict(saved)
    while True:
        changes = choose_changes(network, config, tiled, saved)
        tiled, loads = _fastest(network, config, cold, changes)
        state = place_state(network, config, tiled, changes)
        if state is not None:
            return tiled, loads, state
        readers = [layer.name for layer in network.layers if not changes.isdisjoint(layer.inputs) and saved[layer.name]]
        saved[min(readers, key=lambda name: saved[name])] = 0


def schedule_network(
    network: Network, config: CoreConfig, *, cold: bool = False, saved: Mapping[str, float] | None = None
) -> ScheduledNetwork:
    """Tile a network, and place its weights and maps.

    Parameters
    ----------
    cold : bool
        Keep no weights on chip: see `placement.schedule_loads`. The shares then also say how soon the first pass has its own.
    saved : mapping of str to float, optional
        Items are those of a stream, each computed from the one before, see `state.choose_changes`.

    Raises
    ------
    CompileError
        See `tile_network`, `place_ranked` and `state.choose_changes`.
    """
    if saved is None:
        (tiled, loads), state = _fastest(network, config, cold), StateSchedule()
    else:
        tiled, loads, state = _with_state(network, config, cold, saved)
    ranked = place_ranked(network, tiled, config)
    places, scratch_bytes = place_maps(network, {name: layout.map_bytes for name, layout in tiled.layouts.items()})
    return ScheduledNetwork(
        network=network, config=config, tiled=tiled, loads=loads, places=places, scratch_bytes=scratch_bytes, ranked=ranked,
        state=state,
    )  # fmt: skip
