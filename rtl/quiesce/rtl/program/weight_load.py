"""Write ports of the weight memories."""

from typing import Any

from amaranth import Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import Out

from quiesce.rtl.lib.bits import bits_for_index
from quiesce.rtl.pe.events import mask_entry_layout
from quiesce.spec.config import CoreConfig

__all__ = ["load_signature", "mask_load", "row_load", "set_load"]


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
