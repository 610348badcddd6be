"""Packets that load weights and parameters, in parts small enough to be spread between passes."""

from collections.abc import Iterator

import numpy as np

from quiesce.sw.compiler.emit.packets import PacketWriter
from quiesce.sw.compiler.schedule.placement import Sizes
from quiesce.sw.compiler.tile.mapping import TileMapping
from quiesce.sw.format.layer import Layer

__all__ = ["load_parts"]


def _params(layer: Layer, outs: range) -> list[tuple[int, int, int]]:
    # Accumulators hold the maximum of value + 128.
    none = np.full(layer.cout, -128 if layer.op.maximum else 0)
    bias = none if layer.bias is None else layer.bias
    return [(int(bias[o]), int(layer.multiplier[o]), int(layer.shift[o])) for o in outs]


def load_parts(layer: Layer, mapping: TileMapping, base: Sizes, cores: int) -> Iterator[PacketWriter]:
    """Everything that a mapping needs on chip, for the place ``base``: the weights of each PE, then the parameters.

    All ``cores`` (a bit mask) that use it load it at once.

    These come last because the pass before the one that runs may still be using its own.
    """
    config, packed = mapping.config, mapping.packed
    for pe, values in enumerate(packed.values):
        row = int(base[2 + pe])
        part = PacketWriter(config, cores)
        first = row * config.words_per_row(packed.bits) if len(values) else 0
        part.masks(pe, int(base[0]), first, packed.masks[pe])
        part.values(pe, row, values, packed.bits)
        yield part
    part = PacketWriter(config, cores)
    part.params(int(base[1]), _params(layer, mapping.outs))
    yield part
