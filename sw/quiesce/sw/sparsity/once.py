"""What happens a single time in a training."""

from typing import ClassVar

from quiesce.sw.sparsity.errors import MethodError
from quiesce.sw.sparsity.method import Method, Metrics, Verdict

__all__ = ["Once"]


class Once(Method):
    """Acts after the epoch ``at``, counted over all phases, and never again; at 0 before the first. Subclasses say what it does.

    Raises
    ------
    MethodError
        When ``at`` is set to something that is no whole number of at least 0.
    """

    STATE: ClassVar[tuple[str, ...]] = ("done",)
    done: float = 0.0
    _at = 0

    @property
    def at(self) -> int:
        """Epochs before it acts."""
        return self._at

    @at.setter
    def at(self, epochs: int) -> None:
        if not isinstance(epochs, int) or epochs < 0:
            raise MethodError(f"at: {epochs!r} is not a whole number of at least 0")
        self._at = epochs

    def begin(self, metrics: Metrics) -> Verdict:
        return self.epoch_end(metrics)

    def epoch_end(self, metrics: Metrics) -> Verdict:
        if not self.done and metrics.epoch >= self.at:
            self._act()
            self.done = 1.0
        return Verdict.NONE

    def _act(self) -> None:
        """Do it to the module attached to."""
        raise NotImplementedError
