"""Payloads of the front, from the rings to the activations found, and the read side of the rings."""

from amaranth import ShapeLike, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.lib.bits import bits_for_index
from quiesce.rtl.pe.interfaces import acc_addr_width, chan_width, slot_width
from quiesce.spec.config import CoreConfig

__all__ = ["beat_pointer_width", "buffer_signature", "found_layout", "place_fields", "word_layout"]


def beat_pointer_width(config: CoreConfig) -> int:
    """Bits of a ring pointer: a beat index and a wrap bit, to tell full from empty."""
    return bits_for_index(config.act_depth) + 1


def buffer_signature(config: CoreConfig) -> wiring.Signature:
    """Read side and pointers of the rings, as the scanner sees them: of masks (with zero-skipping) and of values.

    Members
    -------
    mask_written, value_written : beats in the rings so far, modulo twice ``act_depth``
    mask_freed, value_freed : beats that the scanner needs no more, in the same count
    mask_en, mask_addr, mask_data : masks in words of ``detector_width``; latency one cycle, held while ``mask_en`` is low
    value_en, value_addr, value_data : values, likewise, addressed in half bytes
    value_narrow : with ``value_en``, a value of 4 bits is read, else of 8 at an even address; ``value_data`` is sign-extended
    value_wide : only with state between items: the value has 16 bits, at a multiple of four
    """
    pointer = beat_pointer_width(config)
    values = {
        "value_en": Out(1),
        "value_addr": Out(bits_for_index(config.act_depth * config.beat_bytes) + 1),
        "value_narrow": Out(1),
        "value_data": In(signed(config.operand_width)),
        **({"value_wide": Out(1)} if config.state_depth else {}),
        "value_written": In(pointer),
        "value_freed": Out(pointer),
    }
    masks = {
        "mask_en": Out(1),
        "mask_addr": Out(bits_for_index(config.act_depth * config.data_width // config.detector_width)),
        "mask_data": In(config.detector_width),
        "mask_written": In(pointer),
        "mask_freed": Out(pointer),
    }
    return wiring.Signature(values | masks if config.zero_skipping else values)


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


def word_layout(config: CoreConfig) -> data.StructLayout:
    """A mask word to be searched, and what its bits mean.

    Members
    -------
    those of place_fields, column and channel of bit 0
    save, rewind : first word of a unit: remember, or return to, the unit's first value
    release : last use of the unit: the masks before ``free_to`` (beats) may be overwritten
    n_chans : channels of the word that exist, if it belongs to one pixel
    plane_end : last word of a row of the plane
    """
    return data.StructLayout(
        {
            **place_fields(config),
            "save": 1,
            "rewind": 1,
            "release": 1,
            "free_to": unsigned(beat_pointer_width(config)),
            "n_chans": range(config.detector_width + 1),
            "plane_end": 1,
        }
    )
