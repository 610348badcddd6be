"""When a penalty acts, and how it sets in: what all penalties have in common."""

from dataclasses import dataclass
from math import inf, isfinite

from quiesce.sw.sparsity.errors import MethodError
from quiesce.sw.sparsity.method import Method

__all__ = ["Schedule", "ScheduledPenalty"]


@dataclass(frozen=True)
class Schedule:
    """Share of a coefficient over the epochs: 0 before ``first`` and from ``last`` on, in between 1 after a linear rise.

    Parameters
    ----------
    first, last : float
        Epochs, counted over all phases of training.
    warmup : float
        Epochs over which the share rises from 0.

    Raises
    ------
    MethodError
        Not ``0 <= first < last``, or a bad ``warmup``.
    """

    first: float = 0.0
    last: float = inf
    warmup: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.first < self.last:
            raise MethodError(f"first {self.first!r} and last {self.last!r}: 0 <= first < last is needed")
        if not (isfinite(self.warmup) and self.warmup >= 0):
            raise MethodError(f"warmup: {self.warmup!r} is not finite and at least 0")

    def share(self, epochs: float) -> float:
        """Share after this many epochs, 0..1."""
        if not self.first <= epochs < self.last:
            return 0.0
        return min(1.0, (epochs - self.first) / self.warmup) if self.warmup else 1.0

    def describe(self) -> str:
        """The epochs in words, with a blank in front; nothing if these are all."""
        if self.first == 0 and self.last == inf:
            return ""
        return f" in epochs {self.first:g} to {self.last:g}" if self.last < inf else f" from epoch {self.first:g} on"


class ScheduledPenalty(Method):
    """A term of the loss with a coefficient, in a stretch of epochs; subclasses make the term.

    Parameters
    ----------
    coefficient : float
        At least 0.
    schedule : Schedule, optional
        When it acts; by default always.

    Raises
    ------
    MethodError
        The coefficient is out of range.
    """

    def __init__(self, coefficient: float, schedule: Schedule | None = None) -> None:
        super().__init__()
        if not 0 <= coefficient < inf:
            raise MethodError(f"coefficient: {coefficient!r} is not finite and at least 0")
        self.coefficient, self.schedule = coefficient, schedule or Schedule()
        self._share = 1.0

    @property
    def factor(self) -> float:
        """Of the term at present."""
        return self.coefficient * self._share

    def begin_step(self, epochs: float) -> None:
        self._share = self.schedule.share(epochs)
