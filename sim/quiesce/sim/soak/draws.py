"""Decisions of a generator: from a seed, or from whoever wants to search among them."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

__all__ = ["Draws", "seeded"]

T = TypeVar("T")


class Draws:
    """Decisions one after the other, each an integer from 0 on; 0 is the simplest.

    Parameters
    ----------
    decide : callable
        Takes n, at least 1, and returns one of 0..n-1.
    """

    def __init__(self, decide: Callable[[int], int]) -> None:
        self._decide = decide

    def integer(self, low: int, high: int) -> int:
        """One of ``low..high``, the lowest the simplest."""
        return low + self._decide(high - low + 1)

    def choice(self, options: Sequence[T]) -> T:
        """One of the options, the first the simplest."""
        return options[self._decide(len(options))]

    def chance(self, percent: int) -> bool:
        """True in ``percent`` of 100 cases; False is simpler."""
        return self._decide(100) >= 100 - percent

    def rng(self) -> np.random.Generator:
        """A source of numbers that are no decisions: of weights and activations."""
        return np.random.default_rng(self._decide(1 << 32))


def seeded(seed: int | Sequence[int]) -> Draws:
    """Decisions from a seed, or a tuple of them."""
    rng = np.random.default_rng(seed)
    return Draws(lambda n: int(rng.integers(n)))
