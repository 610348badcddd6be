"""What the detector tells the processing elements, and these their lanes."""

from amaranth import signed, unsigned
from amaranth.lib import data

from quiesce.rtl.lib.bits import bits_for_index
from quiesce.spec.config import CoreConfig

__all__ = [
    "slot_width",
    "chan_width",
    "acc_addr_width",
    "event_layout",
    "context_layout",
    "mask_entry_layout",
    "operation_layout",
]


def slot_width(config: CoreConfig) -> int:
    """Bits of a slot index: slots are at least one mask bit, or without zero-skipping one weight word wide."""
    return bits_for_index(config.mask_depth * config.mask_width) if config.zero_skipping else config.weight_index_width


def chan_width(config: CoreConfig) -> int:
    """Bits of an input channel counted over the planes of a pass; or of its slot, if that is wider.

    Two more than a plane's largest pitch of 4096 has: targeted passes count from a channel inside the first plane.
    """
    return max(slot_width(config), 14)


def acc_addr_width(config: CoreConfig) -> int:
    """Bits of an accumulator address."""
    return bits_for_index(config.acc_depth)


def event_layout(config: CoreConfig) -> data.StructLayout:
    """One activation to be multiplied with the weights of its slot.

    Members
    -------
    slot : slot index in the PE's mask string
    value : signed activation
    first : the event starts a new context, which was pushed with it
    row_end : no activation but the end of an input row; the other fields are meaningless
    """
    return data.StructLayout({"slot": unsigned(slot_width(config)), "value": signed(8), "first": 1, "row_end": 1})


def context_layout(config: CoreConfig) -> data.StructLayout:
    """Where the events of one pixel go.

    Members
    -------
    mask : positions of a slot whose output exists
    base : accumulator address that the position offsets are added to, modulo ``acc_depth``
    """
    return data.StructLayout({"mask": unsigned(config.mask_width), "base": unsigned(acc_addr_width(config))})


def mask_entry_layout(config: CoreConfig) -> data.StructLayout:
    """A mask word and the index of the packed weight of its lowest set bit."""
    return data.StructLayout({"mask": unsigned(config.mask_width), "index": unsigned(config.weight_index_width)})


def operation_layout(config: CoreConfig) -> data.StructLayout:
    """One operation of the lanes.

    Members
    -------
    index : packed weight word to fetch
    pruned : the weight is zero and not stored (dense mode of a core with zero-skipping only)
    value : signed activation
    first : it differs from that of the operation before
    addr : accumulator address
    """
    return data.StructLayout(
        {
            "index": unsigned(config.weight_index_width),
            "pruned": 1,
            "value": signed(8),
            "first": 1,
            "addr": unsigned(acc_addr_width(config)),
        }
    )
