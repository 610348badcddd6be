"""Activations that a source has found."""

from amaranth import ShapeLike, unsigned
from amaranth.lib import data

from quiesce.rtl.lib.bits import bits_for_index
from quiesce.rtl.pe.events import acc_addr_width, chan_width, slot_width
from quiesce.spec.config import CoreConfig

__all__ = ["found_layout", "place_fields"]


def place_fields(config: CoreConfig) -> dict[str, ShapeLike]:
    """Where an activation belongs.

    Members
    -------
    col, chan : its column and channel, counted over the planes with ``plane_slots`` for each
    ctx_slot : first slot of the context, row and column parts excluded
    ctx_acc, kshift : accumulator offset and kernel row displacement of the context
    last_group : the context holds the last output group
    first_ctx : first context of the unit
    row_end : no activation but the end of an input row
    """
    return {
        "col": unsigned(bits_for_index(config.max_cols)),
        "chan": unsigned(chan_width(config)),
        "ctx_slot": unsigned(slot_width(config)),
        "ctx_acc": unsigned(acc_addr_width(config)),
        "kshift": 8,
        "last_group": 1,
        "first_ctx": 1,
        "row_end": 1,
    }


def found_layout(config: CoreConfig) -> data.StructLayout:
    """An activation that was found.

    Members
    -------
    those of place_fields
    nonzero : the activation has a stored value
    """
    return data.StructLayout(
        {
            **place_fields(config),
            "nonzero": 1,
        }
    )
