"""Headers of program packets, for those who follow the packets without executing them."""

from collections.abc import Mapping

from amaranth import Module, Signal, Value
from amaranth.utils import exact_log2

from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import HEADER, Opcode

__all__ = ["header_fields", "payload_beats"]


def header_fields(beat: Value) -> dict[str, Value]:
    """The fields of isa.HEADER in a header beat, by name."""
    return {name: beat[field.bits] for name, field in HEADER.items()}


def payload_beats(m: Module, config: CoreConfig, fields: Mapping[str, Value]) -> Signal:
    """Beats behind the header with these ``fields``."""
    length = Signal(17)
    masks, words = (exact_log2(config.data_width // width) for width in (config.mask_width, 64))
    with m.Switch(fields["opcode"]):
        with m.Case(Opcode.MASKS):
            m.d.comb += length.eq((fields["count"] + (1 << masks) - 1) >> masks)
        with m.Case(Opcode.VALUES):
            m.d.comb += length.eq(fields["count"])
        with m.Case(Opcode.PARAMS, Opcode.PASS):
            m.d.comb += length.eq((fields["count"] + (1 << words) - 1) >> words)
    return length
