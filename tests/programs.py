"""Programs taken apart and put together again, for tests that damage them."""

import zlib
from functools import reduce
from operator import xor

from quiesce.spec.isa import CHECKED_HEADER, HEADER, Opcode

__all__ = ["packets", "seal"]

PARITY, CHECK = HEADER["parity"].low, CHECKED_HEADER["check"].low


def packets(image, config):
    """(first byte, payload bytes without padding, opcode) of every packet, as far as a core could follow them."""
    at = 0
    while at < len(image):
        header = int.from_bytes(image[at : at + 8], "little")
        opcode, count = (HEADER.unpack(header)[name] for name in ("opcode", "count"))
        width = {
            Opcode.MASKS: config.mask_width, Opcode.VALUES: config.data_width, Opcode.PARAMS: 64, Opcode.PASS: 64,
        }.get(opcode, 0)  # fmt: skip
        yield at, count * width // 8, opcode
        at += (1 + -(-count * width // config.data_width)) * config.beat_bytes


def seal(section, config):
    """A prologue or a body with the parities and checks that belong to what it holds."""
    image, begin = bytearray(section), 0
    for at, _, opcode in packets(section, config):
        header = int.from_bytes(image[at : at + 8], "little")
        if opcode in (Opcode.START, Opcode.WAIT, Opcode.ITEM_END):
            header = header & (1 << CHECK) - 1 | zlib.crc32(image[begin:at]) << CHECK
        header &= ~(63 << PARITY)
        header |= reduce(xor, [header & 15, *(header >> low & 63 for low in range(4, 64, 6))]) << PARITY
        image[at : at + 8] = header.to_bytes(8, "little")
        if opcode in (Opcode.WAIT, Opcode.ITEM_END):
            begin = at + config.beat_bytes
    return bytes(image[: len(section)])
