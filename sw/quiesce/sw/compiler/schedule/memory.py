"""Where intermediate maps lie in memory: maps that are needed at different times share their place."""

from collections.abc import Mapping

from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.isa import Region
from quiesce.sw.format.network import INPUT, Network

__all__ = ["Place", "allocate", "lifetimes", "place_maps"]

Place = tuple[Region, int]
"""A region of memory and the byte in it where a map begins."""


def lifetimes(network: Network) -> dict[str, range]:
    """Indices of the layers while which each intermediate map must be kept: from the one that writes it to its last reader.

    The network's input and output have regions of their own and are left out.
    """
    index = {layer.name: i for i, layer in enumerate(network.layers)}
    last = dict(index)
    for layer in network.layers:
        for name in layer.inputs:
            if name != INPUT:
                last[name] = max(last[name], index[layer.name])
    return {name: range(index[name], last[name] + 1) for name in index if name != network.output}


def allocate(sizes: Mapping[str, int], lives: Mapping[str, range], *, unit: int = 16) -> tuple[dict[str, int], int]:
    """Offsets of maps such that no two that live at the same time overlap, and the memory needed in all.

    The largest map is placed first, each at the lowest offset that is free during its life.

    Parameters
    ----------
    sizes : mapping of str to int
        Of each map, bytes of memory say.
    lives : mapping of str to range
        When each map is needed, as from `lifetimes`.
    unit : int
        Maps begin at multiples of it.

    Returns
    -------
    offsets : dict of str to int
        In the unit of ``sizes``.
    total : int
    """
    offsets: dict[str, int] = {}
    total = 0
    for name in sorted(lives, key=lambda name: (-sizes[name], lives[name].start)):
        size, life = ceil_div(sizes[name], unit) * unit, lives[name]
        taken = sorted(
            (offsets[other], offsets[other] + ceil_div(sizes[other], unit) * unit)
            for other in offsets
            if lives[other].start < life.stop and life.start < lives[other].stop
        )
        offset = 0
        for first, end in taken:
            if offset + size <= first:
                break
            offset = max(offset, end)
        offsets[name] = offset
        total = max(total, offset + size)
    return offsets, total


def place_maps(network: Network, sizes: Mapping[str, int]) -> tuple[dict[str, Place], int]:
    """Places of the maps of ``sizes`` bytes, by name, and the size of region SCRATCH: input and output have their own regions."""
    scratch, scratch_bytes = allocate(sizes, lifetimes(network))
    places = {name: (Region.SCRATCH, offset) for name, offset in scratch.items()}
    return places | {INPUT: (Region.INPUT, 0), network.output: (Region.OUTPUT, 0)}, scratch_bytes
