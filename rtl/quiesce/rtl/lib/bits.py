"""Combinational helpers on bit vectors."""

from collections.abc import Iterable

from amaranth import Cat, Const, Module, Value, ValueLike

__all__ = [
    "bits_for_index", "byte_counts", "encode_onehot", "first_of", "from_lowest", "lowest_set", "popcount", "prefix_counts",
    "select_onehot", "sum_or_maximum",
]  # fmt: skip


def bits_for_index(depth: int) -> int:
    """Bits that address ``depth`` entries, at least one."""
    return max(1, (depth - 1).bit_length())


def popcount(value: ValueLike) -> Value:
    """Number of set bits.

    A balanced adder tree whose levels are single operations on the whole word (fields of 1, 2, 4 ... bits side by side): the same
    gates as single adders, and far fewer operations for a simulator.
    """
    n_bits = len(Value.cast(value))
    width = 1 << max(0, n_bits - 1).bit_length()
    return _field_counts(value, width, width)[: n_bits.bit_length()]


def byte_counts(value: ValueLike) -> Value:
    """Number of set bits of each byte, in its byte."""
    return _field_counts(value, len(Value.cast(value)), 8)


def _field_counts(value: ValueLike, width: int, field_width: int) -> Value:
    """Number of set bits of each field of ``field_width`` bits of a word of ``width``."""
    total, field = Value.cast(value), 1
    while field < field_width:
        low = Const(sum(((1 << field) - 1) << at for at in range(0, width, 2 * field)), width)
        total = ((total & low) + (total[field:] & low))[:width]
        field *= 2
    return total


def prefix_counts(value: ValueLike) -> list[Value]:
    """For each bit the number of set bits below it: counts of whole bytes, summed up, and bits within a byte."""
    value, before, counts = Value.cast(value), Const(0, 1), []
    for first in range(0, len(value), 8):
        byte = value[first : first + 8]
        counts += [(before + popcount(byte[:i]))[: len(value).bit_length()] if i else before for i in range(len(byte))]
        before = (before + popcount(byte))[: len(value).bit_length()]
    return counts


def from_lowest(value: ValueLike) -> Value:
    """All bits from the lowest set one of ``value`` on (zero if there is none): a logarithmic prefix tree."""
    seen = Value.cast(value)
    width, distance = len(seen), 1
    while distance < width:
        seen = seen | Cat(Const(0, distance), seen[: width - distance])
        distance *= 2
    return seen


def lowest_set(value: ValueLike) -> Value:
    """One-hot word with the lowest set bit of ``value`` (zero if there is none)."""
    return first_of(from_lowest(value))


def first_of(reached: Value) -> Value:
    """The lowest bit of what ``from_lowest`` returns."""
    return reached ^ Cat(Const(0, 1), reached[:-1])


def encode_onehot(onehot: ValueLike) -> Value:
    """Index of the only set bit (zero if there is none)."""
    onehot = Value.cast(onehot)
    n_bits = bits_for_index(len(onehot))
    patterns = [sum(1 << i for i in range(len(onehot)) if i >> bit & 1) for bit in range(n_bits)]
    return Cat((onehot & Const(pattern, len(onehot))).any() for pattern in patterns)


def select_onehot(onehot: ValueLike, words: Iterable[ValueLike]) -> Value:
    """The word of the only set bit (zero if there is none).

    ANDs and ORs instead of a tree of multiplexers, of which all of the first level move with the lowest bit of an index: here two
    words do when another one is selected.
    """
    gated = [Value.cast(word) & bit.replicate(len(Value.cast(word))) for word, bit in zip(words, Value.cast(onehot), strict=True)]
    while len(gated) > 1:
        gated = [gated[at] | gated[at + 1] if at + 1 < len(gated) else gated[at] for at in range(0, len(gated), 2)]
    return gated[0]


def sum_or_maximum(m: Module, output: Value, maximum: Value, old: Value, new: Value) -> None:
    """Let ``output`` be ``old + new``, or the larger of them if ``maximum``.

    One adder does for both, as ``old - new < 0`` tells the larger one; it is as wide as ``old``, and carries beyond are lost.
    ``old`` is at least as wide as ``new``, both are signed.
    """
    width = len(old) + 1
    operand = (new ^ maximum.replicate(len(new)))[: len(new)]
    addend = Cat(operand, operand[-1].replicate(width - len(new)))
    total = (Cat(maximum, old, old[-1]) + Cat(maximum, addend))[1 : width + 1]  # the lowest bits make the carry of a subtraction
    with m.If(~maximum):
        m.d.comb += output.eq(total)
    with m.Elif(total[-1]):
        m.d.comb += output.eq(new)
    with m.Else():
        m.d.comb += output.eq(old)
