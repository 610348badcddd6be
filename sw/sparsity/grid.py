"""Baseline of ARTS: one training for each of several fixed coefficients."""

from collections.abc import Sequence
from math import inf, isfinite

import torch
from torch import nn

from quiesce.sw.sparsity.errors import MethodError
from quiesce.sw.sparsity.method import Method, Metrics, Verdict
from quiesce.sw.sparsity.penalty import ActivationPenalty

__all__ = ["FixedGrid"]


class FixedGrid(Method):
    """Trains with each of several coefficients from the same network on, and keeps the least work that the quality allows.

    After the dense epochs, ``share`` epochs follow for each coefficient, each time from the network after the dense epochs on. Of
    the networks at the end of each, the one of the least work with ``quality >= A0 - tolerance`` is kept, or that after the dense
    epochs if there is none; ``A0`` as in ``Arts``. Later phases go on with the coefficient of the network kept, or with 0.

    Source: the training of Georgiadis, CVPR 2019 (cross-entropy + sum_l alpha_l |x_l|_1), as a search.

    Parameters
    ----------
    penalty : ActivationPenalty
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

    def __init__(
        self, penalty: ActivationPenalty, *, coefficients: Sequence[float], tolerance: float, share: int, dense: int = 0
    ) -> None:
        super().__init__()
        if not coefficients or not all(0 < coefficient < inf for coefficient in coefficients):
            raise MethodError(f"coefficients: {coefficients!r} is not a list of finite numbers above 0")
        if tolerance < 0 or share < 1 or dense < 0:
            raise MethodError("tolerance, dense >= 0 and share >= 1 are needed")
        self.penalty, self.coefficients, self.tolerance = penalty, tuple(coefficients), tolerance
        self.share, self.dense = share, dense
        self.baseline, self.best_work, self.best_coefficient = -inf, inf, 0.0

    @property
    def epochs(self) -> int:
        """Epochs of the whole grid, dense ones included."""
        return self.dense + self.share * len(self.coefficients)

    def _attach(self, module: nn.Module) -> None:
        self.penalty.attach(module)

    def _detach(self, module: nn.Module) -> None:
        self.penalty.detach()

    def begin(self, metrics: Metrics) -> Verdict:
        if metrics.epoch or self.dense:
            return Verdict.NONE
        self.baseline = metrics.quality
        return Verdict.MARK | Verdict.KEEP

    def begin_step(self, epochs: float) -> None:
        if epochs < self.dense:
            self.penalty.coefficient = 0.0
        elif epochs < self.epochs:
            self.penalty.coefficient = self.coefficients[int(epochs - self.dense) // self.share]
        else:
            self.penalty.coefficient = self.best_coefficient
        self.penalty.begin_step(epochs)

    def loss(self) -> torch.Tensor | None:
        return self.penalty.loss()

    def epoch_end(self, metrics: Metrics) -> Verdict:
        done = metrics.epoch - self.dense
        if done <= 0:
            self.baseline = max(self.baseline, metrics.quality)
            return Verdict.MARK | Verdict.KEEP if done == 0 else Verdict.NONE
        if done % self.share or metrics.epoch > self.epochs:
            return Verdict.NONE
        verdict = Verdict.NONE if metrics.epoch == self.epochs else Verdict.RESTART
        if metrics.quality >= self.baseline - self.tolerance and metrics.work < self.best_work:
            self.best_work, self.best_coefficient = metrics.work, self.coefficients[done // self.share - 1]
            verdict |= Verdict.KEEP
        return verdict

    def scalars(self) -> dict[str, float]:
        known = {"baseline": self.baseline} if isfinite(self.baseline) else {}
        return {"coefficient": self.penalty.coefficient} | known

    def describe(self) -> str:
        grid = ", ".join(f"{coefficient:g}" for coefficient in self.coefficients)
        return (
            f"After {self.dense} epochs without penalty, {self.share} epochs for each of the coefficients {grid} of the "
            f"work-weighted {self.penalty.kind} of the activations, always from the same network on; the one of least work "
            f"within a drop of {self.tolerance:.2%} in validation accuracy is kept."
        )
