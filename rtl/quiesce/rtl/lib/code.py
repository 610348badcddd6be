"""Codes that detect or correct flipped bits of stored words, for software and for hardware."""

from dataclasses import dataclass
from functools import reduce
from itertools import combinations, islice
from operator import xor

from amaranth import Cat, Module, Signal, Value

__all__ = ["Code", "code_for", "stored_bits"]


@dataclass(frozen=True)
class Code:
    """A linear code: check bit j of a word is the parity of the data bits i whose ``columns[i]`` has bit j.

    The syndrome of a stored word is what its check bits are off by: a flip of data bit i makes it ``columns[i]``, one of check
    bit j ``1 << j``.

    Parameters
    ----------
    columns : tuple of int
        One for each data bit.
    n_checks : int
        Check bits of a word.
    corrects : bool
        All columns, those of check bits included, differ and have an odd number of bits; so the syndrome of a single flip names
        its place, and that of two flips has an even number of bits and is not zero. Otherwise flips are detected only.
    """

    columns: tuple[int, ...]
    n_checks: int
    corrects: bool

    def checks(self, word: int) -> int:
        """Check bits of a word."""
        return reduce(xor, (column for bit, column in enumerate(self.columns) if word >> bit & 1), 0)

    def check_bits(self, word: Value) -> Value:
        """The same in hardware."""

        def covered(check: int) -> Value:
            return Cat(word[bit] for bit, column in enumerate(self.columns) if column >> check & 1)

        return Cat(covered(check).xor() for check in range(self.n_checks))

    def decode(self, m: Module, word: Value, checks: Value) -> tuple[Value, Value, Value]:
        """What was stored, whether that is uncertain, and whether a flip was corrected. Combinational."""
        syndrome = Signal(self.n_checks)
        m.d.comb += syndrome.eq(checks ^ self.check_bits(word))
        if not self.corrects:
            return word, syndrome.any(), Value.cast(0)
        flipped = Signal(len(self.columns))
        m.d.comb += flipped.eq(Cat(syndrome == column for column in self.columns))
        in_checks = Cat(syndrome == 1 << check for check in range(self.n_checks)).any()
        corrected = flipped.any() | in_checks
        return word ^ flipped, syndrome.any() & ~corrected, corrected


def code_for(check: int, width: int) -> Code | None:
    """The code of CoreConfig.ram_check for words of ``width`` bits: none, a parity bit, or single error correction with double
    error detection, the odd-weight columns of M. Y. Hsiao (IBM J. Res. Dev. 14, 1970), lightest first."""
    if check == 0:
        return None
    if check == 1:
        return Code(columns=(1,) * width, n_checks=1, corrects=False)
    n_checks = next(n for n in range(2, 64) if (1 << (n - 1)) - n >= width)
    weights = range(3, n_checks + 1, 2)
    columns = (sum(1 << bit for bit in bits) for weight in weights for bits in combinations(range(n_checks), weight))
    return Code(columns=tuple(islice(columns, width)), n_checks=n_checks, corrects=True)


def stored_bits(check: int, width: int, n_parts: int = 1) -> int:
    """Bits of a word of ``width`` bits in a RAM with that protection, its parts protected one by one."""
    code = code_for(check, width // n_parts)
    return width + (n_parts * code.n_checks if code else 0)
