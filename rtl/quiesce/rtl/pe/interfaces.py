"""What the detector tells the processing elements, these their lanes, and the loader their memories."""

from typing import Any

from amaranth import Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import Out

from quiesce.rtl.lib.bits import bits_for_index
from quiesce.spec.config import CoreConfig

__all__ = [
    "acc_addr_width", "broadcast_layout", "chan_width", "context_layout", "event_layout", "load_signature", "mask_entry_layout",
    "mask_load", "operation_layout", "row_load", "set_load", "slot_width", "step_layout",
]  # fmt: skip


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
    return data.StructLayout(
        {"slot": unsigned(slot_width(config)), "value": signed(config.operand_width), "first": 1, "row_end": 1}
    )


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
            "value": signed(config.operand_width),
            "first": 1,
            "addr": unsigned(acc_addr_width(config)),
        }
    )


def broadcast_layout(config: CoreConfig) -> data.StructLayout:
    """An event with its context, as offered to the PEs.

    Members
    -------
    last_group : channels may be missing in some PEs
    pe : the only one that it concerns, in a targeted pass
    """
    return data.StructLayout(
        {"event": event_layout(config), "context": context_layout(config), "last_group": 1, "pe": bits_for_index(config.n_pes)}
    )


def step_layout(config: CoreConfig) -> data.StructLayout:
    """One operation of all PEs.

    Members
    -------
    o : the operation, the same for all
    bit : its position
    last_group : of the last group context: PEs without a channel of the last group are left out where ``partial_mask`` says so
    pe : the only one that it concerns, in a targeted pass
    """
    return data.StructLayout(
        {
            "o": operation_layout(config),
            "bit": bits_for_index(config.mask_width),
            "last_group": 1,
            "pe": unsigned(bits_for_index(config.n_pes)),
        }
    )


def row_load(config: CoreConfig) -> wiring.Signature:
    """As driven by the loader: a row of weights.

    Members
    -------
    row_en, row_addr, row : write ``row``, ``data_width`` bits
    """
    return wiring.Signature(
        {"row_en": Out(1), "row_addr": Out(bits_for_index(config.weight_depth)), "row": Out(config.data_width)}
    )


def mask_load(config: CoreConfig) -> wiring.Signature:
    """As driven by the loader: a beat of mask entries.

    Members
    -------
    mask_en, mask_addr, mask : write ``mask``, all entries of a beat
    """
    beat = data.ArrayLayout(mask_entry_layout(config), config.data_width // config.mask_width)
    return wiring.Signature({"mask_en": Out(1), "mask_addr": Out(bits_for_index(config.mask_depth)), "mask": Out(beat)})


def load_signature(config: CoreConfig) -> wiring.Signature:
    """Both, or without zero-skipping those of `row_load`."""
    masks = mask_load(config).members if config.zero_skipping else {}
    return wiring.Signature({**row_load(config).members, **masks})


def set_load(port: wiring.PureInterface, source: wiring.PureInterface, when: Value | None = None) -> list[Any]:
    """Assignments that connect a memory's write ``port`` to those of ``source`` that it has; only the writes ``when``."""
    values = {name: getattr(source, name) for name in port.signature.members}
    if when is not None:
        values |= {name: value & when for name, value in values.items() if name.endswith("_en")}
    return [getattr(port, name).eq(value) for name, value in values.items()]
