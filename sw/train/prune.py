"""Pruning by magnitude before training."""

import torch
from torch import nn

__all__ = ["prune"]


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

