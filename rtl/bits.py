"""Combinational helpers on bit vectors."""

from amaranth import Cat, Const, Value

__all__ = ["popcount", "prefix_counts", "lowest_set", "encode_onehot", "bits_for_index"]


def bits_for_index(depth: int) -> int:
    """Bits that address ``depth`` entries, at least one."""
    return max(1, (depth - 1).bit_length())


def popcount(value) -> Value:
    """Number of set bits.

    A balanced adder tree whose levels are single operations on the whole word (fields of 1, 2, 4 ... bits side by side): the same
    gates as single adders, and far fewer operations for a simulator.
    """
    total, n_bits = Value.cast(value), len(Value.cast(value))
    field, width = 1, 1 << max(0, n_bits - 1).bit_length()
    while field < width:
        low = Const(sum(((1 << field) - 1) << at for at in range(0, width, 2 * field)), width)
        total = ((total & low) + ((total >> field) & low))[:width]
        field *= 2
    return total[: n_bits.bit_length()]


def prefix_counts(value) -> list[Value]:
    """For each bit the number of set bits below it: counts of whole bytes, summed up, and bits within a byte."""
    value, before, counts = Value.cast(value), Const(0, 1), []
    for first in range(0, len(value), 8):
        byte = value[first : first + 8]
        counts += [(before + popcount(byte[:i]))[: len(value).bit_length()] if i else before for i in range(len(byte))]
        before = (before + popcount(byte))[: len(value).bit_length()]
    return counts


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
    patterns = [sum(1 << i for i in range(len(onehot)) if i >> bit & 1) for bit in range(n_bits)]
    return Cat((onehot & Const(pattern, len(onehot))).any() for pattern in patterns)
