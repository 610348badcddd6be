"""Penalty on the work of the busiest PE rather than on the mean."""

from collections.abc import Sequence
from math import inf, prod

import torch
from torch import nn

from quiesce.sw.quant.qat import QatLayer
from quiesce.sw.sparsity.curves import Tl1, applied, total
from quiesce.sw.sparsity.errors import MethodError
from quiesce.sw.sparsity.schedule import Schedule, ScheduledPenalty
from quiesce.sw.sparsity.sites import LayerInput, needed, tap, weight_layers

__all__ = ["BalancePenalty", "busiest", "event_rates", "expected_work", "pe_work"]


def pe_work(rates: torch.Tensor, stored: torch.Tensor, n_pes: int, n_lanes: int) -> torch.Tensor:
    """Expected operations of each PE, output channels being dealt out as the compiler does::

        work[p] = sum over channels o of PE p, inputs i:  rates[i] stored[o, i] / n_lanes        p = (o // n_lanes) mod n_pes

    Parameters
    ----------
    rates : Tensor, shape (n_in,)
        Expected events of each input per image.
    stored : Tensor, shape (cout, n_in)
        Weights that are not zero.
    n_pes, n_lanes : int
        Of the core; the lanes of a PE are in lock-step, here on average.

    Returns
    -------
    Tensor, shape (n_pes,)
    """
    owner = (torch.arange(len(stored), device=stored.device) // n_lanes) % n_pes
    return torch.zeros(n_pes, dtype=rates.dtype, device=rates.device).index_add(0, owner, stored @ rates) / n_lanes


def event_rates(acts: torch.Tensor, *, pixels: bool, b: float, scale: float = 1.0) -> torch.Tensor:
    """Expected events of each input of a layer per image, in the surrogate ``tl1`` of what is not zero.

    Parameters
    ----------
    acts : Tensor, shape (N, cin, rows, cols) or (N, ...)
        Inputs of a convolution, or of a linear layer.
    pixels : bool
        The layer is a convolution: its inputs are channels, with the events of all pixels.
    b : float
        Of the surrogate.
    scale : float
        Real value of one step of ``acts``.

    Returns
    -------
    Tensor, shape (n_in,)
    """
    return total(acts, Tl1(b), scale=scale, axes=(0, 2, 3) if pixels else (0,)).flatten() / len(acts)


def expected_work(
    rates: torch.Tensor, weight: torch.Tensor, *, stride: tuple[int, int], n_pes: int, n_lanes: int, weight_b: float
) -> torch.Tensor:
    """Operations that a layer is expected to cause on each PE per image, in surrogates of what is not zero.

    Parameters
    ----------
    rates : Tensor, shape (cin,) or (n_in,)
        Of the layer's inputs.
    weight : Tensor, shape (cout, cin, kh, kw) or (cout, n_in)
        Of the layer.
    stride : tuple of int
        Of the convolution: an event meets one in ``prod(stride)`` of the kernel's positions.
    n_pes, n_lanes : int
        As in ``pe_work``.
    weight_b : float
        Of the surrogate of weights.

    Returns
    -------
    Tensor, shape (n_pes,)
    """
    stored = applied(weight, Tl1(weight_b))
    if stored.ndim == 4:
        stored = stored.sum(dim=(2, 3)) / prod(stride)
    return pe_work(rates, stored, n_pes, n_lanes)


def busiest(work: torch.Tensor, power: float) -> torch.Tensor:
    """``(mean work^power)^(1/power)``: the mean for power 1, near the largest for large powers. It is not negative."""
    # Scaled by the mean, no power leaves the range of the type.
    mean = work.mean().clamp(min=torch.finfo(work.dtype).tiny)
    return mean * ((work / mean) ** power).mean() ** (1 / power)


class BalancePenalty(ScheduledPenalty):
    """Adds ``coefficient x P`` to the loss, with the expected work of the PEs that the time of a layer follows::

        rates[i]     = mean over images, sum over pixels, of tl1(x, b)        tl1(v, b) = (1 + b) |v| / (b + |v|)
        stored[o, i] = sum over the kernel of tl1(w, weight_b) / stride
        work[p]      = sum over channels o of PE p, inputs i:  rates[i] stored[o, i] / n_lanes
        P            = sum over layers (mean_p work[p]^power)^(1/power) / sum over layers (mean_p work[p] of dense operands)

    With ``power = 1`` this is the mean over the PEs, the expected effectual MACs; large powers approach the busiest PE.
    Activations and weights are pushed alike, so that PEs with more channels than others get sparser ones.

    Source: this project's own. It concerns convolutions without groups and linear layers, and the order of the channels in the
    module: the compiler changes it only where that lowers the work of the busiest PE.

    Parameters
    ----------
    coefficient : float
        At least 0.
    n_pes, n_lanes : int
        Of the core, at least 1.
    power : float
        At least 1.
    b, weight_b : float
        Finite and above 0, in units of activations and weights.
    schedule : Schedule, optional
        When it acts; by default always.
    layers : sequence of str or None
        By default all of ``weight_layers`` that it concerns.

    Raises
    ------
    MethodError
        A parameter out of range; when attached, no such layers.
    """

    def __init__(
        self,
        coefficient: float,
        *,
        n_pes: int = 16,
        n_lanes: int = 1,
        power: float = 8.0,
        b: float = 0.1,
        weight_b: float = 0.01,
        schedule: Schedule | None = None,
        layers: Sequence[str] | None = None,
    ) -> None:
        super().__init__(coefficient, schedule)
        if not (1 <= power < inf and 0 < b < inf and 0 < weight_b < inf and n_pes >= 1 and n_lanes >= 1):
            raise MethodError("power, n_pes, n_lanes >= 1 and b, weight_b > 0 are needed")
        self.n_pes, self.n_lanes, self.power = n_pes, n_lanes, power
        self.b, self.weight_b, self.layers = b, weight_b, layers
        self._rates: dict[str, tuple[torch.Tensor, int]] = {}
        """And the pixels of the maps, of the layers that have computed."""
        self._layers: dict[str, nn.Module] = {}

    def _attach(self, module: nn.Module) -> None:
        layers = {name: layer for name, layer in weight_layers(module, self.layers).items() if _groups(layer) == 1}
        self._layers = needed(layers, "trained weights without groups")
        for name, layer in self._layers.items():
            self._hold(tap(name, layer, self._take))

    def _detach(self, module: nn.Module) -> None:
        self._layers, self._rates = {}, {}

    def _take(self, one: LayerInput) -> None:
        if self.factor and self.module.training and torch.is_grad_enabled():
            pixels = _convolves(self._layers[one.name])
            rates = event_rates(one.steps, pixels=pixels, b=self.b, scale=one.scale)
            self._rates[one.name] = rates, prod(one.steps.shape[2:])

    def begin_step(self, epochs: float) -> None:
        super().begin_step(epochs)
        self._rates = {}

    def loss(self) -> torch.Tensor | None:
        found, self._rates = self._rates, {}
        if not found:
            return None
        terms, dense = [], 0.0
        for name, (rates, n_pixels) in found.items():
            layer = self._layers[name]
            weight, stride = layer.weight, _stride(layer)
            assert isinstance(weight, torch.Tensor)
            work = expected_work(
                rates, weight, stride=stride, n_pes=self.n_pes, n_lanes=self.n_lanes, weight_b=self.weight_b
            )  # fmt: skip
            terms.append(busiest(work, self.power))
            positions = n_pixels / prod(stride) if _convolves(layer) else 1.0
            dense += weight.numel() * positions / (self.n_pes * self.n_lanes)
        return self.factor * torch.stack(terms).sum() / dense

    def describe(self) -> str:
        what = "the busiest PE" if self.power > 1 else "the mean PE"
        return (
            f"{self.coefficient:g} x expected effectual MACs of {what} of {self.n_pes} (power {self.power:g}, b = {self.b:g} of "
            f"activations, {self.weight_b:g} of weights) joins the loss{self.schedule.describe()}."
        )


def _groups(layer: nn.Module) -> int:
    if isinstance(layer, QatLayer):
        return layer.plan.groups
    return layer.groups if isinstance(layer, nn.Conv2d) else 1


def _convolves(layer: nn.Module) -> bool:
    return layer.plan.op.windowed if isinstance(layer, QatLayer) else isinstance(layer, nn.Conv2d)


def _stride(layer: nn.Module) -> tuple[int, int]:
    if isinstance(layer, QatLayer):
        return layer.plan.stride
    return (layer.stride[0], layer.stride[1]) if isinstance(layer, nn.Conv2d) else (1, 1)
