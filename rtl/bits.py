"""Combinational helpers on bit vectors."""

from functools import reduce
from operator import or_

from amaranth import Cat, Const, Mux, Value

__all__ = ["popcount", "lowest_set", "encode_onehot", "bits_for_index"]


def bits_for_index(depth: int) -> int:
    """Bits that address ``depth`` entries, at least one."""
    return max(1, (depth - 1).bit_length())


def popcount(value) -> Value:
    """Number of set bits, as a balanced adder tree."""
    terms = list(Value.cast(value))
    while len(terms) > 1:
        terms = [a + b for a, b in zip(terms[::2], terms[1::2], strict=False)] + ([terms[-1]] if len(terms) % 2 else [])
    return terms[0]


def lowest_set(value) -> Value:
    """One-hot word with the lowest set bit of ``value`` (zero if there is none).

    A logarithmic prefix tree: bit i survives if no bit below it is set.
    """
    value = Value.cast(value)
    width = len(value)
    seen, distance = value, 1
    while distance < width:
        seen = seen | (seen << distance)[:width]
        distance *= 2
    return value & ~Cat(Const(0, 1), seen)[:width]


def encode_onehot(onehot) -> Value:
    """Index of the only set bit (zero if there is none)."""
    onehot = Value.cast(onehot)
    n_bits = bits_for_index(len(onehot))
    return Cat(reduce(or_, [onehot[i] for i in range(len(onehot)) if i >> bit & 1] or [Const(0)]) for bit in range(n_bits))


def maximum(a, b) -> Value:
    """The larger of two values of the same signedness."""
    return Mux(a > b, a, b)
