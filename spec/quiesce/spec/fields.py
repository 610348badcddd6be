"""Named integers, and bit fields: where an integer stands in a word, and which integers it may be."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

__all__ = ["Documented", "Field", "FieldError", "Layout"]


class Documented(IntEnum):
    """Integers with names and a sentence each: ``NAME = 3, "what it means"``."""

    about: str

    def __new__(cls, value: int, about: str = "") -> "Documented":
        member = int.__new__(cls, value)
        member._value_ = value
        member.about = about
        return member


class FieldError(ValueError):
    """A value that its field cannot hold; the message names both."""


@dataclass(frozen=True)
class Field:
    """Bits ``low .. low + width - 1`` of a word.

    Attributes
    ----------
    low, width : int
    about : str
        What it means, for people; empty where the name says it.
    signed : bool
        In two's complement.
    """

    low: int
    width: int
    about: str = ""
    signed: bool = False

    @cached_property
    def range(self) -> range:
        """The integers that it holds."""
        half = 1 << (self.width - 1)
        return range(-half, half) if self.signed else range(2 * half)

    @property
    def bits(self) -> slice:
        """As a slice of a word's bits, the lowest first."""
        return slice(self.low, self.low + self.width)


class Layout(Mapping[str, Field]):
    """The named fields of a word.

    Parameters
    ----------
    fields : mapping of str to Field
        No two overlap.
    width : int
        Bits of the word.
    about : str
        What the word is, for people.
    """

    def __init__(self, fields: Mapping[str, Field], width: int = 64, about: str = ""):
        self._fields, self.width, self.about = dict(fields), width, about
        taken: set[int] = set()
        for name, field in self._fields.items():
            bits = set(range(field.low, field.low + field.width))
            if not bits or bits & taken or not bits <= set(range(width)):
                raise ValueError(f"{name}: bits {field.low}..{field.low + field.width - 1} are not free in {width}")
            taken |= bits

    def __getitem__(self, name: str) -> Field:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def pack(self, values: Mapping[str, int]) -> int:
        """The word with these values; those of other names are left out.

        Raises
        ------
        FieldError
            A value out of its field's range.
        KeyError
            A field without a value.
        """
        word = 0
        for name, field in self._fields.items():
            value = int(values[name])
            if value not in field.range:
                raise FieldError(f"{name} = {value} is not in {field.range.start}..{field.range.stop - 1}")
            word |= (value % (1 << field.width)) << field.low
        return word

    def unpack(self, word: int) -> dict[str, int]:
        """The values of a word, which may have more bits than the fields."""
        values = {}
        for name, field in self._fields.items():
            value = word >> field.low & ((1 << field.width) - 1)
            values[name] = value if value in field.range else value - (1 << field.width)
        return values
