"""Winners-take-all: few channels survive, chosen for each input, and the network is tuned to live with them."""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite

import torch
from torch import nn

from quiesce.sw.quant.fatrelu import FatReLU
from quiesce.sw.quant.winners import Feature, WinnerReLU
from quiesce.sw.sparsity.errors import MethodError
from quiesce.sw.sparsity.method import Method, Metrics, Verdict
from quiesce.sw.sparsity.sites import activation_layers, is_integer, needed, replaced_activations
from quiesce.sw.sparsity.winner_rate import EnergyShare, SpectrumShare, WinnerRate, over_processes

__all__ = ["WinnersTakeAll"]


class WinnersTakeAll(Method):
    """Replaces modules of ReLU by ReLU with winners, and lowers the winners while the quality allows::

        at epoch `at`        A0 = quality of the network as it is; Theta = theta
        calibrate            winners of each layer from its activations on the first `images` training images, all winners
                             off, at Theta (``EnergyShare`` without, ``SpectrumShare`` with rows and columns)
        fine-tune            with the masks, until quality >= A0 - tolerance: accepted, Theta -= step, calibrate again;
                             or for `epochs` epochs: return to what was accepted last, halve step, Theta = accepted - step
        step < least_step    Theta stays; the best network with the winners accepted last is kept

    The modules stay when it is detached, and integer modules take the winners over; on these nothing is lowered any more.
    Attach it before ``FatReluThresholds``.

    Source: Yang et al., "DASNet: Dynamic Activation Sparsity for Neural Network Efficiency Improvement", ICTAI 2019, for
    calibration and the loop; halving the step is this project's choice.

    Parameters
    ----------
    theta, step, least_step : float
        ``0 < theta <= 1``, ``0 < least_step <= step``; Theta never gets to 0.
    tolerance : float
        Allowed drop in quality, at least 0, in the units of ``Metrics.quality``.
    epochs : int
        Most epochs of fine-tuning at one Theta, at least 1.
    at : int
        Epochs, counted over all phases, before the first calibration.
    images : int
        Of a calibration, at least 1.
    feature : str
        "max" or "mean" (which no hardware ranks).
    squared : bool
        Energies are squares.
    baseline : float or None
        A0, if it is known from another training.
    layers : sequence of str or None
        By default all ReLU modules.

    Raises
    ------
    MethodError
        A parameter out of range; when attached, a layer that is no ReLU, or no ReLU at all.
    """

    STATE = ("baseline", "theta", "accepted", "lower", "started", "collecting", "best")

    def __init__(
        self,
        *,
        tolerance: float,
        theta: float = 0.99,
        step: float = 0.02,
        least_step: float = 0.005,
        epochs: int = 2,
        at: int = 0,
        images: int = 1000,
        feature: str = "max",
        squared: bool = True,
        baseline: float | None = None,
        layers: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        if not (0 < theta <= 1 and 0 < least_step <= step and tolerance >= 0):
            raise MethodError("0 < theta <= 1, 0 < least_step <= step and tolerance >= 0 are needed")
        if at < 0 or min(epochs, images) < 1 or (baseline is not None and not isfinite(baseline)):
            raise MethodError("at >= 0, epochs, images >= 1 and a finite baseline are needed")
        try:
            self.feature = Feature(feature)
        except ValueError:
            raise MethodError(f"feature: {feature!r} is not one of {', '.join(each.value for each in Feature)}") from None
        self.tolerance, self.step, self.least_step, self.epochs = tolerance, step, least_step, epochs
        self.at, self.images, self.squared, self.layers = at, images, squared, layers
        self._initial, self._given = theta, baseline
        self.baseline = -1.0 if baseline is None else baseline
        self.theta, self.accepted, self.lower = theta, 1.0, step
        self.started, self.best = -1.0, -1.0
        self.collecting = 0.0
        self._sites: dict[str, WinnerReLU] = {}
        self._rates: dict[str, WinnerRate] = {}
        self._seen: dict[str, int] = {}

    def _attach(self, module: nn.Module) -> None:
        def make(layer: nn.Module) -> WinnerReLU:
            return WinnerReLU(feature=self.feature, threshold=float(layer.threshold) if isinstance(layer, FatReLU) else 0.0)

        # Integer modules have no such layers, and know their winners.
        names = self.layers if activation_layers(module) else None
        self._sites = replaced_activations(module, names, WinnerReLU, make, "winners")
        if not is_integer(module):
            needed(self._sites, "modules of ReLU")
        for name, layer in self._sites.items():
            self._hold(layer.register_forward_hook(self._collector(name)))

    def _detach(self, module: nn.Module) -> None:
        self._sites, self._rates, self._seen = {}, {}, {}

    def _collector(self, name: str) -> Callable[[nn.Module, tuple[torch.Tensor, ...], torch.Tensor], None]:
        def hook(layer: nn.Module, args: tuple[torch.Tensor, ...], acts: torch.Tensor) -> None:
            if self.collecting and layer.training:
                if name not in self._rates:
                    share = EnergyShare if acts.ndim == 2 else SpectrumShare
                    self._rates[name] = share(squared=self.squared)
                self._rates[name].add(acts)
                self._seen[name] = self._seen.get(name, 0) + len(acts)

        return hook

    def begin(self, metrics: Metrics) -> Verdict:
        self.best = -1.0  # of another module
        return self.epoch_end(metrics)

    def begin_step(self, epochs: float) -> None:
        if not self.collecting:
            return
        if not self._rates:  # once, so that the weights remembered have the winners that they were accepted with
            self._set_winners(dict.fromkeys(self._sites, 0))
        elif int(over_processes(torch.tensor(min(self._seen.values())))) >= self.images:
            self._set_winners({name: rate.winners(self.theta) for name, rate in self._rates.items()})
            self._rates, self._seen, self.collecting = {}, {}, 0.0

    def _set_winners(self, winners: Mapping[str, int]) -> None:
        for name, n_winners in winners.items():
            self._sites[name].n_winners.fill_(n_winners)

    def epoch_end(self, metrics: Metrics) -> Verdict:
        if not self._sites or metrics.epoch < self.at or self.collecting:
            return Verdict.NONE
        if self.started < 0:
            if self._given is None:
                self.baseline = metrics.quality
            return self._next(metrics.epoch, self.theta, Verdict.KEEP)
        good = metrics.quality >= self.baseline - self.tolerance
        if self.lower < self.least_step:
            better = good and metrics.quality > self.best
            self.best = max(self.best, metrics.quality) if better else self.best
            return Verdict.KEEP if better else Verdict.NONE
        if good:
            self.accepted, self.best = self.theta, metrics.quality
            return self._next(metrics.epoch, self._below(), Verdict.KEEP)
        if metrics.epoch - self.started < self.epochs:
            return Verdict.NONE
        self.lower /= 2
        return self._next(metrics.epoch, self._below(), Verdict.ROLL_BACK)

    def _below(self) -> float:
        """The Theta to try after the one accepted last, or that one if the step has become too small or leads to 0."""
        if self.accepted <= self.lower:
            self.lower = 0.0
        return self.accepted - self.lower if self.lower >= self.least_step else self.accepted

    def _next(self, epoch: int, theta: float, verdict: Verdict) -> Verdict:
        """Calibrate at ``theta`` in the steps that follow, unless the search is over."""
        self.theta, self.started = theta, float(epoch)
        self.collecting = float(self.lower >= self.least_step)
        return verdict

    def scalars(self) -> dict[str, float]:
        return {"theta": self.theta} | {f"winners_{name}": float(layer.n_winners) for name, layer in self._sites.items()}

    def describe(self) -> str:
        energy = "squared" if self.squared else "plain"
        return (
            f"Winners-take-all by the {self.feature.value} of a channel from epoch {self.at} on: winners keep the share Theta of "
            f"the {energy} energy, from {self._initial:g} down by {self.step:g} while the validation accuracy drops by at most "
            f"{self.tolerance:.2%}, up to {self.epochs} epochs of fine-tuning each; the best network with the fewest accepted is "
            "kept."
        )
