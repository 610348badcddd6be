"""Sparse weights: pruning by magnitude, and zeros that stay zero while the others are trained."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.utils import parametrize

from quiesce.sw.quant.qat import QatLayer

__all__ = ["hold_zeros", "prune"]


class _Mask(nn.Module):
    """Multiplies weights by a fixed mask of zeros and ones."""

    mask: torch.Tensor

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", (weight != 0).to(weight.dtype))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight * self.mask


def prune(module: nn.Module, sparsity: float) -> None:
    """Set the smallest of all trained weights of convolutions and linear layers together to zero, in place.

    Parameters
    ----------
    module : nn.Module
        Biases, normalisation and weights that are not trained stay as they are.
    sparsity : float
        Share of zeros afterwards, 0..1; rounded to whole weights. Of equal magnitudes the first ones go.
    """
    weights = [
        layer.weight
        for layer in module.modules()
        if isinstance(layer, (nn.Conv2d, nn.Linear)) and layer.weight.requires_grad
    ]  # fmt: skip
    with torch.no_grad():
        flat = torch.cat([weight.flatten() for weight in weights])
        flat[flat.abs().argsort(stable=True)[: round(sparsity * len(flat))]] = 0
        for weight, part in zip(weights, torch.split(flat, [weight.numel() for weight in weights]), strict=True):
            weight.copy_(part.reshape(weight.shape))


@contextmanager
def hold_zeros(module: nn.Module) -> Iterator[None]:
    """While the context lasts, weights of convolutions and linear layers that are zero now remain so; their gradient is zero.

    The module's state has other names meanwhile, those of ``torch.nn.utils.parametrize``.
    """
    layers = [
        layer
        for layer in module.modules()
        if isinstance(layer, (nn.Conv2d, nn.Linear, QatLayer)) and layer.weight is not None and bool((layer.weight == 0).any())
    ]  # fmt: skip
    for layer in layers:
        assert layer.weight is not None
        parametrize.register_parametrization(layer, "weight", _Mask(layer.weight))
    try:
        yield
    finally:
        for layer in layers:
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
