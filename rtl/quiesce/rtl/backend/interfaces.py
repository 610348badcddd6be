"""Payloads of the back, from finished partial sums to chunks of activations, and rows of maxima."""

from amaranth import signed, unsigned
from amaranth.lib import data

from quiesce.spec.config import CoreConfig

__all__ = ["FEATURE_WIDTH", "chunk_layout", "features_layout", "group_layout", "n_slices"]


def n_slices(config: CoreConfig) -> int:
    """Pieces of ``post_units`` sums in a group."""
    return config.lanes // config.post_units


def group_layout(config: CoreConfig) -> data.StructLayout:
    """Partial sums of one (pixel, group): entry ``e`` of ``sums`` is channel ``g * lanes + e`` of the plane in group ``g``.

    ``used`` has a bit for each slice of ``post_units`` entries, set if one of them has a channel; the others mean nothing. It
    comes with the sums because they may arrive while post-processing still has the settings of the pass before.

    With state between items, ``clean`` stands for a whole row of groups whose sums are all zero; then the others mean nothing.
    """
    clean = {"clean": 1} if config.state_depth else {}
    return data.StructLayout(
        {"sums": data.ArrayLayout(signed(config.acc_width), config.lanes), "used": n_slices(config), **clean}
    )


def chunk_layout(config: CoreConfig) -> data.StructLayout:
    """Consecutive channels of one pixel.

    ``values`` holds the activations or their changes, zero where there is no channel; ``count`` is the number of mask bits of the
    chunk, a power of two up to ``post_units``; ``row_last`` marks the last chunk of an output row.
    """
    return data.StructLayout(
        {"values": data.ArrayLayout(signed(config.operand_width), config.post_units), "count": 4, "row_last": 1}
    )


FEATURE_WIDTH = 7
"""Bits of a maximum: layers with winners have no negative outputs."""


def features_layout(config: CoreConfig) -> data.ArrayLayout:
    """A row of maxima: of ``detector_width`` consecutive channels of a plane."""
    return data.ArrayLayout(unsigned(FEATURE_WIDTH), config.detector_width)
