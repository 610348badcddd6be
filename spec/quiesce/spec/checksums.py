"""Checks that programs and row records carry."""

import binascii
import zlib

__all__ = ["CHECK_BYTES", "beats_check", "header_parity", "record_check"]

CHECK_BYTES = 2
"""Of the mask and of the values of a row record."""


def header_parity(header: int) -> int:
    """The opcode and the 6-bit digits above it, XORed: 0 in a sound header, so one wrong bit shows, and up to four in a row."""
    parity = header & 15
    for low in range(4, 64, 6):
        parity ^= header >> low & 63
    return parity


def beats_check(beats: bytes, before: int = 0) -> int:
    """The CRC-32 (ISO-HDLC) of the beats since the last barrier, of which those with the check ``before`` came first."""
    return zlib.crc32(beats, before)


def record_check(part: bytes, before: bytes = bytes(CHECK_BYTES)) -> bytes:
    """The CRC-16 (XMODEM), high byte first, of the mask or the values of a row record with zeros in place of the check.

    ``before`` is that of what came before ``part``.
    """
    return binascii.crc_hqx(part, int.from_bytes(before, "big")).to_bytes(CHECK_BYTES, "big")
