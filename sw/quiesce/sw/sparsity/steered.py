"""A penalty on activations whose coefficient a rule sets, against the quality of a baseline."""

from math import inf, isfinite

import torch
from torch import nn

from quiesce.sw.format.network import Network
from quiesce.sw.sparsity.delta import Delta
from quiesce.sw.sparsity.errors import MethodError
from quiesce.sw.sparsity.method import Method, Metrics
from quiesce.sw.sparsity.penalty import ActivationPenalty

__all__ = ["Penalty", "SteeredPenalty"]

Penalty = ActivationPenalty | Delta


class SteeredPenalty(Method):
    """What methods that look for a coefficient have in common; subclasses say which one it is when.

    Without penalty for ``dense`` epochs; ``A0`` is the largest quality after one of these, or what is given, or that of the
    network to begin with. A network is good with ``quality >= A0 - tolerance``.

    Parameters
    ----------
    penalty : ActivationPenalty or Delta
        Its coefficient is set.
    tolerance : float
        Allowed drop in quality, at least 0, in the units of ``Metrics.quality``.
    dense : int
        Epochs, counted over all phases.
    baseline : float or None
        A0, if it is known from another training.

    Raises
    ------
    MethodError
        A parameter out of range.
    """

    def __init__(self, penalty: Penalty, *, tolerance: float, dense: int, baseline: float | None = None) -> None:
        super().__init__()
        if not (tolerance >= 0 and dense >= 0 and (baseline is None or isfinite(baseline))):
            raise MethodError("tolerance, dense >= 0 and a finite baseline are needed")
        self.penalty, self.tolerance, self.dense = penalty, tolerance, dense
        self._given = baseline
        self.baseline = -inf if baseline is None else baseline
        self.best_work = inf

    @property
    def counts_changes(self) -> bool:
        return self.penalty.counts_changes

    def complete(self, network: Network) -> Network:
        return self.penalty.complete(network)

    def _attach(self, module: nn.Module) -> None:
        self.penalty.attach(module)

    def _detach(self, module: nn.Module) -> None:
        self.penalty.detach()

    def begin_step(self, epochs: float) -> None:
        self.penalty.coefficient = 0.0 if epochs < self.dense else self._coefficient(epochs)
        self.penalty.begin_step(epochs)

    def _coefficient(self, epochs: float) -> float:
        """That of a step after so many epochs, which are no dense ones."""
        raise NotImplementedError

    def loss(self) -> torch.Tensor | None:
        return self.penalty.loss()

    def _compare_with(self, metrics: Metrics) -> None:
        """Take note of the quality of a network without penalty."""
        if self._given is None:
            self.baseline = max(self.baseline, metrics.quality)

    def _good(self, metrics: Metrics) -> bool:
        return metrics.quality >= self.baseline - self.tolerance

    def scalars(self) -> dict[str, float]:
        known = {"baseline": self.baseline} if isfinite(self.baseline) else {}
        return self.penalty.scalars() | {"coefficient": self.penalty.coefficient} | known
