"""ARTS: the coefficient of an activation penalty follows the validation metric."""

from math import inf

from quiesce.sw.sparsity.delta import Delta
from quiesce.sw.sparsity.errors import MethodError
from quiesce.sw.sparsity.method import Metrics, Verdict
from quiesce.sw.sparsity.steered import Penalty, SteeredPenalty

__all__ = ["Arts"]


class Arts(SteeredPenalty):
    """Adaptive regularisation training schedule: activations are suppressed as far as the quality allows.

    With the baseline quality ``A0``, the coefficient lam of the penalty changes at the end of each epoch of the search::

        dense epochs       lam = 0; A0 = largest quality; without dense epochs A0 is that of the network to begin with
        quality >= A0 - tolerance, least work so far      remember the network; lam *= up
        quality >= A0 - tolerance, otherwise              lam *= up after `patience` such epochs
        quality <  A0 - tolerance                         lam *= down; after `failures` such epochs in a row return to the network
                                                          remembered, and up <- 1 + (up - 1) shrink
        recovery epochs    lam = hold x lam of the network remembered

    What training ends with is the network of the least work with ``quality >= A0 - tolerance``, recovery included.

    Source: Zhu et al., "ARTS: An adaptive regularization training schedule for activation sparsity exploration", DSD 2022, for
    the idea and the regularisers. The rules above are this project's reconstruction, since the paper's text was not at hand.

    Parameters
    ----------
    penalty : ActivationPenalty or Delta
        What is adapted; its coefficient is that of the first epoch of the search, above 0.
    tolerance : float
        Allowed drop in quality, at least 0, in the units of ``Metrics.quality``.
    dense, search, recovery : int
        Epochs, counted over all phases; from then on the coefficient stays as in recovery.
    up, down, shrink : float
        ``up > 1``, ``0 < down < 1``, ``0 < shrink <= 1``.
    patience, failures : int
        At least 1.
    hold : float
        At least 0; 0 trains without penalty in recovery.
    baseline : float or None
        A0, if it is known from another training.

    Raises
    ------
    MethodError
        A parameter out of range.
    """

    STATE = ("baseline", "coefficient", "factor", "best_work", "best_coefficient", "stale", "failures")

    def __init__(
        self,
        penalty: Penalty,
        *,
        tolerance: float,
        search: int,
        dense: int = 0,
        recovery: int = 0,
        up: float = 1.5,
        down: float = 0.7,
        shrink: float = 0.5,
        patience: int = 2,
        failures: int = 2,
        hold: float = 1.0,
        baseline: float | None = None,
    ) -> None:
        super().__init__(penalty, tolerance=tolerance, dense=dense, baseline=baseline)
        if not (up > 1 and 0 < down < 1 and 0 < shrink <= 1 and hold >= 0 and penalty.coefficient > 0):
            raise MethodError("up > 1, 0 < down < 1, 0 < shrink <= 1, hold >= 0 and a coefficient above 0 are needed")
        if recovery < 0 or min(search, patience, failures) < 1:
            raise MethodError("recovery >= 0 and search, patience, failures >= 1 are needed")
        self.search, self.recovery = search, recovery
        self.up, self.down, self.shrink, self.hold = up, down, shrink, hold
        self.patience, self.max_failures = patience, failures
        self._initial, self.coefficient, self.factor = penalty.coefficient, penalty.coefficient, up
        self.best_coefficient = penalty.coefficient
        self.stale = self.failures = 0.0

    def begin(self, metrics: Metrics) -> Verdict:
        # What was remembered in an earlier phase is of another module.
        self.best_work = inf
        if metrics.epoch == 0 == self.dense:
            self._compare_with(metrics)
            return self._keep(metrics)
        # A later phase may begin with a network that nothing in it surpasses.
        return self._keep(metrics) if metrics.epoch > self.dense and self._good(metrics) else Verdict.NONE

    def _coefficient(self, epochs: float) -> float:
        return self.coefficient if epochs < self.dense + self.search else self.hold * self.best_coefficient

    def epoch_end(self, metrics: Metrics) -> Verdict:
        if metrics.epoch <= self.dense:
            self._compare_with(metrics)
            # The search starts from the last dense epoch, and so falls back to it.
            return self._keep(metrics) if metrics.epoch == self.dense else Verdict.NONE
        good = self._good(metrics)
        better = good and metrics.work < self.best_work
        verdict = self._keep(metrics) if better else Verdict.NONE
        if metrics.epoch > self.dense + self.search:
            return verdict
        return verdict | (self._succeed(better) if good else self._fail())

    def _keep(self, metrics: Metrics) -> Verdict:
        self.best_work = metrics.work
        if metrics.epoch <= self.dense + self.search:  # in recovery it stays what it was
            self.best_coefficient = self.coefficient
        return Verdict.KEEP

    def _succeed(self, better: bool) -> Verdict:
        self.failures = 0.0
        self.stale = 0.0 if better else self.stale + 1
        if better or self.stale >= self.patience:
            self.coefficient *= self.factor
            self.stale = 0.0
        return Verdict.NONE

    def _fail(self) -> Verdict:
        self.coefficient *= self.down
        self.failures += 1
        if self.failures < self.max_failures:
            return Verdict.NONE
        self.failures = self.stale = 0.0
        self.factor = 1 + (self.factor - 1) * self.shrink
        return Verdict.ROLL_BACK

    def scalars(self) -> dict[str, float]:
        return super().scalars() | {"factor": self.factor}

    def describe(self) -> str:
        learned = f" {self.penalty.describe()}" if isinstance(self.penalty, Delta) else ""
        return (
            f"The coefficient of the work-weighted {self.penalty.kind} of the activations follows the validation accuracy (ARTS, "
            f"reconstructed): {self.dense} epochs without it, {self.search} of search from {self._initial:g} on, "
            f"{self.recovery} of recovery; allowed drop {self.tolerance:.2%}; the network of least work within it is kept."
            f"{learned}"
        )
