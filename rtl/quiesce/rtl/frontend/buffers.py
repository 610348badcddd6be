"""The activation buffers between a reader and a scanner."""

from amaranth import signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.lib.bits import bits_for_index
from quiesce.spec.config import CoreConfig

__all__ = ["beat_pointer_width", "buffer_signature"]


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
    """
    pointer = beat_pointer_width(config)
    values = {
        "value_en": Out(1),
        "value_addr": Out(bits_for_index(config.act_depth * config.beat_bytes) + 1),
        "value_narrow": Out(1),
        "value_data": In(signed(8)),
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
