"""Write ports of the weight memories."""

from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from quiesce.rtl.lib.bits import bits_for_index
from quiesce.rtl.pe.mask_memory import mask_beat_layout
from quiesce.spec.config import CoreConfig

__all__ = ["load_signature"]


def load_signature(config: CoreConfig) -> wiring.Signature:
    """As driven by the loader: a row of weights, and with zero-skipping a beat of mask entries."""
    rows = {"row_en": Out(1), "row_addr": Out(bits_for_index(config.weight_depth)), "row": Out(config.data_width)}
    masks = {"mask_en": Out(1), "mask_addr": Out(bits_for_index(config.mask_depth)), "mask": Out(mask_beat_layout(config))}
    return wiring.Signature(rows | masks if config.zero_skipping else rows)
