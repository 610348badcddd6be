"""Baseline of ARTS: one training for each of several fixed coefficients."""

from collections.abc import Sequence
from math import inf

from quiesce.sw.sparsity.errors import MethodError
from quiesce.sw.sparsity.method import Metrics, Verdict
from quiesce.sw.sparsity.steered import Penalty, SteeredPenalty

__all__ = ["FixedGrid"]


class FixedGrid(SteeredPenalty):
    """Trains with each of several coefficients from the same network on, and keeps the least work that the quality allows.

    After the dense epochs, ``share`` epochs follow for each coefficient, each time from the network after the dense epochs on. Of
    the networks at the end of each, the one of the least work with ``quality >= A0 - tolerance`` is kept, or that after the dense
    epochs if there is none; ``A0`` as in ``Arts``. Later phases go on with the coefficient of the network kept, or with 0.

    Source: the training of Georgiadis, CVPR 2019 (cross-entropy + sum_l alpha_l |x_l|_1), as a search.

    Parameters
    ----------
    penalty : ActivationPenalty or Delta
        Its coefficient is set.
    coefficients : sequence of float
        Above 0, at least one.
    tolerance : float
        As in ``Arts``.
    share : int
        Epochs for each coefficient, at least 1.
    dense : int
        Epochs without penalty.

    Raises
    ------
    MethodError
        A parameter out of range.
    """

    STATE = ("baseline", "best_work", "best_coefficient")

    def __init__(self, penalty: Penalty, *, coefficients: Sequence[float], tolerance: float, share: int, dense: int = 0) -> None:
        super().__init__(penalty, tolerance=tolerance, dense=dense)
        if not coefficients or not all(0 < coefficient < inf for coefficient in coefficients):
            raise MethodError(f"coefficients: {coefficients!r} is not a list of finite numbers above 0")
        if share < 1:
            raise MethodError("share >= 1 is needed")
        self.coefficients, self.share = tuple(coefficients), share
        self.best_coefficient = 0.0

    @property
    def epochs(self) -> int:
        """Epochs of the whole grid, dense ones included."""
        return self.dense + self.share * len(self.coefficients)

    def begin(self, metrics: Metrics) -> Verdict:
        if metrics.epoch or self.dense:
            return Verdict.NONE
        self._compare_with(metrics)
        return Verdict.MARK | Verdict.KEEP

    def _coefficient(self, epochs: float) -> float:
        if epochs < self.epochs:
            return self.coefficients[int(epochs - self.dense) // self.share]
        return self.best_coefficient

    def epoch_end(self, metrics: Metrics) -> Verdict:
        done = metrics.epoch - self.dense
        if done <= 0:
            self._compare_with(metrics)
            return Verdict.MARK | Verdict.KEEP if done == 0 else Verdict.NONE
        if done % self.share or metrics.epoch > self.epochs:
            return Verdict.NONE
        verdict = Verdict.NONE if metrics.epoch == self.epochs else Verdict.RESTART
        if self._good(metrics) and metrics.work < self.best_work:
            self.best_work, self.best_coefficient = metrics.work, self.coefficients[done // self.share - 1]
            verdict |= Verdict.KEEP
        return verdict

    def describe(self) -> str:
        grid = ", ".join(f"{coefficient:g}" for coefficient in self.coefficients)
        return (
            f"After {self.dense} epochs without penalty, {self.share} epochs for each of the coefficients {grid} of the "
            f"work-weighted {self.penalty.kind} of the activations, always from the same network on; the one of least work "
            f"within a drop of {self.tolerance:.2%} in validation accuracy is kept."
        )
