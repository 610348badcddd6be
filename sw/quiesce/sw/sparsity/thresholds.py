"""Thresholds of activations, as high as an allowed loss of quality permits."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import inf

import torch
from torch import nn

from quiesce.sw.quant.fatrelu import FatReLU
from quiesce.sw.sparsity.errors import MethodError
from quiesce.sw.sparsity.once import Once
from quiesce.sw.sparsity.sites import is_integer, needed, replaced_activations

__all__ = ["FatReluThresholds", "search_thresholds"]


@contextmanager
def _peaks(layers: Mapping[str, FatReLU]) -> Iterator[dict[str, float]]:
    """Collect the largest activation of each layer while the context lasts."""
    largest = dict.fromkeys(layers, 0.0)

    def watch(name: str) -> Callable[[nn.Module, tuple[torch.Tensor, ...], torch.Tensor], None]:
        def hook(layer: nn.Module, args: tuple[torch.Tensor, ...], acts: torch.Tensor) -> None:
            largest[name] = max(largest[name], float(acts.max()))

        return hook

    handles = [layer.register_forward_hook(watch(name)) for name, layer in layers.items()]
    try:
        yield largest
    finally:
        for handle in handles:
            handle.remove()


def _check_search(allowed: float, steps: int) -> None:
    if not (0 <= allowed < inf and steps >= 1):
        raise MethodError("a finite allowed >= 0 and steps >= 1 are needed")


def search_thresholds(
    layers: Mapping[str, FatReLU], evaluate: Callable[[], float], allowed: float, *, steps: int = 8
) -> dict[str, float]:
    """Set the threshold of each layer, one after the other, to the largest value found that the quality allows::

        quality(T_1 .. T_l) >= quality(as it was) - allowed l / L        for l = 1 .. L

    Each is found by bisection between its present value and its layer's largest activation.

    Source: Kurtz et al., "Inducing and Exploiting Activation Sparsity for Fast Inference on Deep Neural Networks", ICML 2020, for
    bisection against an allowed loss; the equal shares of the layers are this project's choice.

    Parameters
    ----------
    layers : mapping of str to FatReLU
        L layers of one network, in the order of the search.
    evaluate : callable
        Quality of the network as it is, on validation data; larger is better.
    allowed : float
        Drop in quality, at least 0.
    steps : int
        Evaluations per layer, at least 1.

    Returns
    -------
    dict of str to float
        The thresholds.

    Raises
    ------
    MethodError
        A parameter out of range.
    """
    _check_search(allowed, steps)
    with _peaks(layers) as peaks:
        least = evaluate()
    found = {}
    for index, (name, layer) in enumerate(layers.items()):
        low, high = float(layer.threshold), peaks[name]
        for _ in range(steps):
            middle = (low + high) / 2
            layer.threshold.fill_(middle)
            if evaluate() >= least - allowed * (index + 1) / len(layers):
                low = middle
            else:
                high = middle
        layer.threshold.fill_(low)
        found[name] = low
    return found


class FatReluThresholds(Once):
    """Replaces modules of ReLU by FATReLU and, after an epoch, searches their thresholds, which then stay.

    The FATReLU modules stay when it is detached: with a threshold of 0 they are ReLU. Integer modules take the thresholds over
    from the module they are made from. Functional calls of ReLU cannot be replaced.

    Parameters
    ----------
    evaluate : callable
        Quality of a module on validation data.
    allowed : float
        Drop in quality, at least 0.
    at : int
        Epochs, counted over all phases, after which the search happens; at 0 before the first.
    steps : int
        Evaluations per layer, at least 1.
    layers : sequence of str or None
        By default all ReLU modules.

    Raises
    ------
    MethodError
        A parameter out of range; when attached, a layer that is no ReLU, or no ReLU at all; when it is time for the search, an
        integer module.
    """

    def __init__(
        self,
        evaluate: Callable[[nn.Module], float],
        *,
        allowed: float,
        at: int = 0,
        steps: int = 8,
        layers: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        _check_search(allowed, steps)
        self.evaluate, self.allowed, self.at, self.steps, self.layers = evaluate, allowed, at, steps, layers
        self._fat: dict[str, FatReLU] = {}

    def _attach(self, module: nn.Module) -> None:
        names = None if self.done else self.layers
        self._fat = replaced_activations(module, names, FatReLU, lambda _: FatReLU(), "a threshold")
        if not is_integer(module):
            needed(self._fat, "modules of ReLU")

    def _detach(self, module: nn.Module) -> None:
        self._fat = {}

    def _act(self) -> None:
        layers = needed(self._fat, "modules of ReLU")
        search_thresholds(layers, lambda: self.evaluate(self.module), self.allowed, steps=self.steps)

    def scalars(self) -> dict[str, float]:
        return {f"threshold_{name}": float(layer.threshold) for name, layer in self._fat.items()}

    def describe(self) -> str:
        return (
            f"After epoch {self.at}, thresholds of the activations (FATReLU), layer by layer the largest that bisection finds "
            f"for a drop of {self.allowed:.2%} in validation accuracy."
        )
