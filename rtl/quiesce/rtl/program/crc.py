"""Cyclic redundancy checks, a beat at a time."""

from collections.abc import Callable

from amaranth import Cat, Const, Signal, Value
from amaranth.hdl import ValueLike

__all__ = ["next_crc"]


def next_crc(crc: ValueLike, beat: Signal, check: Callable[[bytes, int], int]) -> ValueLike:
    """The check of what had the check ``crc``, followed by ``beat``.

    ``next_crc(crc, beat, check) = check(beat as little-endian bytes, crc)`` for every CRC ``check(data, before)`` whose state is
    XORed to the bytes that come next, at the same places, such as ``zlib.crc32``. They are affine in the bits of ``beat ^ crc``:
    a bit of the result is the parity of some of those, a tree of at most ``log2(data_width) + 1`` XORs.
    """
    n_bytes = len(beat) // 8
    constant = check(bytes(n_bytes), 0)
    columns = [check((1 << bit).to_bytes(n_bytes, "little"), 0) ^ constant for bit in range(len(beat))]
    masks = [sum((column >> bit & 1) << at for at, column in enumerate(columns)) for bit in range(len(Value.cast(crc)))]
    joined = beat ^ crc
    return Cat((joined & Const(mask, len(beat))).xor() ^ (constant >> bit & 1) for bit, mask in enumerate(masks))
