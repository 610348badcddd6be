"""The parts in which a core with zero-skipping and a plain dense core differ."""

from typing import NamedTuple

from quiesce.rtl.backend.encoder import Encoder
from quiesce.rtl.frontend.act_reader import ActReader
from quiesce.rtl.pe.pe_array import PEArray
from quiesce.rtl.plain.plain_array import PlainArray
from quiesce.rtl.plain.plain_encoder import PlainEncoder
from quiesce.rtl.plain.plain_reader import PlainReader
from quiesce.spec.config import CoreConfig

__all__ = ["Variant", "variant"]


class Variant(NamedTuple):
    """Components with the same ports but for the fields of a pass that they need, and clients of the write DMA.

    The scanner, which is for both, chooses its source of activations itself.
    """

    reader: type
    array: type
    encoder: type


def variant(config: CoreConfig) -> Variant:
    """The parts of the core that ``config`` describes."""
    return Variant(ActReader, PEArray, Encoder) if config.zero_skipping else Variant(PlainReader, PlainArray, PlainEncoder)
