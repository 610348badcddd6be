"""Pruning by magnitude before training."""

import torch
from torch import nn

__all__ = ["prune"]


def prune(module: nn.Module, sparsity: float, *, balanced: bool = False) -> None:
    """Set the smallest of all trained weights of convolutions and linear layers together to zero, in place.

    Parameters
    ----------
    module : nn.Module
        Biases, normalisation and weights that are not trained stay as they are.
    sparsity : float
        Share of zeros afterwards, 0..1; rounded to whole weights. Of equal magnitudes the first ones go.
    balanced : bool
        Of each layer as many weights stay as without it, but equally many of each output channel, its largest ones: their mean
        over the channels, rounded, at least one. So PEs that own equally many channels have equally many weights.

    Notes
    -----
    Banks of equally many weights for the sake of parallel hardware are those of Cao et al., "Efficient and Effective Sparse LSTM
    on FPGA with Bank-Balanced Sparsity", FPGA 2019, who cut the rows of a matrix into them and give all the same share. Whole
    output channels as banks, and shares of the layers by magnitude, are this project's own choice.
    """
    weights = [
        layer.weight
        for layer in module.modules()
        if isinstance(layer, (nn.Conv2d, nn.Linear)) and layer.weight.requires_grad
    ]  # fmt: skip
    with torch.no_grad():
        kept = torch.ones(sum(weight.numel() for weight in weights), dtype=torch.bool)
        magnitudes = torch.cat([weight.flatten() for weight in weights]).abs()
        kept[magnitudes.argsort(stable=True)[: round(sparsity * len(kept))]] = False
        for weight, part in zip(weights, torch.split(kept, [weight.numel() for weight in weights]), strict=True):
            mask = part.reshape(len(weight), -1)
            if balanced:
                mask = _largest(weight.flatten(1), max(1, round(int(mask.sum()) / len(mask))))
            weight.masked_fill_(~mask.reshape(weight.shape), 0)


def _largest(rows: torch.Tensor, count: int) -> torch.Tensor:
    """Bool, where the ``count`` entries of greatest magnitude of each row are."""
    order = rows.abs().argsort(dim=1, descending=True, stable=True)
    return torch.zeros(rows.shape, dtype=torch.bool).scatter_(1, order[:, :count], True)

