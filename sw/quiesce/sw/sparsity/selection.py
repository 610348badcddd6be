"""Which weights go when a network is pruned by magnitude."""

from collections.abc import Sequence
from math import inf
from numbers import Real

import torch
from torch import nn

from quiesce.sw.sparsity.errors import MethodError
from quiesce.sw.sparsity.sites import needed, plain_weight, weight_layers

__all__ = ["block_magnitudes", "check_block", "check_selection", "kept_weights", "prune"]


def block_magnitudes(weight: torch.Tensor, block: int) -> torch.Tensor:
    """Root mean square of each block of ``block`` consecutive output channels with equal other indices, one for every weight.

    Parameters
    ----------
    weight : Tensor, shape (cout, ...)
        The last block is smaller if ``block`` does not divide cout.
    block : int
        1 for the magnitudes themselves.

    Returns
    -------
    Tensor, shape (cout, ...)
    """
    if block == 1:
        return weight.abs()
    weight = weight.to(torch.promote_types(weight.dtype, torch.float32))  # squares leave the range of float16
    parts = [part.square().mean(dim=0, keepdim=True).sqrt().expand_as(part) for part in torch.split(weight, block)]
    return torch.cat(parts)


def check_block(block: int) -> None:
    """Raise MethodError unless this is a number of output channels that go or stay together."""
    if isinstance(block, bool) or not isinstance(block, int) or block < 1:
        raise MethodError(f"block: {block!r} is not a whole number of at least 1")


def check_selection(*, threshold: float | None, sparsity: float | None, block: int = 1, balanced: bool = False) -> None:
    """Raise MethodError unless these are parameters of ``kept_weights``."""
    if (threshold is None) == (sparsity is None):
        raise MethodError("pruning needs either a threshold or a sparsity")
    if threshold is not None and not (isinstance(threshold, Real) and 0 < threshold < inf):
        raise MethodError(f"threshold: {threshold!r} is not finite and above 0")
    if sparsity is not None and not (isinstance(sparsity, Real) and 0 <= sparsity < 1):
        raise MethodError(f"sparsity: {sparsity!r} is not at least 0 and below 1, a share rather than per cent")
    check_block(block)
    if balanced and block > 1:
        raise MethodError("balanced pruning has no blocks: whole blocks need not be equally many of each channel")


def kept_weights(
    weights: Sequence[torch.Tensor],
    *,
    threshold: float | None = None,
    sparsity: float | None = None,
    block: int = 1,
    balanced: bool = False,
) -> list[torch.Tensor]:
    """Masks of the weights that stay.

    Parameters
    ----------
    weights : sequence of Tensor, shape (cout, ...)
        Of one layer each.
    threshold : float or None
        Weights go whose ``block_magnitudes`` are below it, finite and above 0.
    sparsity : float or None
        Or, the smallest of all weights go: this share of them, at least 0 and below 1, rounded to whole weights. Of equal
        magnitudes the first ones go. Blocks that would go in part stay.
    block : int
        Output channels that go or stay together.
    balanced : bool
        Of each layer as many weights stay as without it, but equally many of each output channel, its largest ones: their mean
        over the channels, rounded, at least one. So PEs that own equally many channels have equally many weights.

    Returns
    -------
    list of Tensor of bool, shapes as the weights

    Raises
    ------
    MethodError
        A parameter out of range, not either a threshold or a sparsity, or balanced blocks.

    Notes
    -----
    Banks of equally many weights for the sake of parallel hardware are those of Cao et al., "Efficient and Effective Sparse LSTM
    on FPGA with Bank-Balanced Sparsity", FPGA 2019, who cut the rows of a matrix into them and give all the same share. Whole
    output channels as banks, and shares of the layers by magnitude, are this project's own choice.
    """
    check_selection(threshold=threshold, sparsity=sparsity, block=block, balanced=balanced)
    magnitudes = [block_magnitudes(weight, block) for weight in weights]
    if threshold is not None:
        masks = [magnitude >= threshold for magnitude in magnitudes]
    else:
        masks = _largest_of_all(magnitudes, sparsity)
    if block > 1:
        return [torch.cat([part.any(dim=0, keepdim=True).expand_as(part) for part in torch.split(mask, block)]) for mask in masks]
    if balanced:
        return [_largest_of_each(magnitude, mask) for magnitude, mask in zip(magnitudes, masks, strict=True)]
    return masks


def _largest_of_all(magnitudes: Sequence[torch.Tensor], sparsity: float | None) -> list[torch.Tensor]:
    assert sparsity is not None
    flat = torch.cat([magnitude.flatten() for magnitude in magnitudes])
    kept = torch.ones(len(flat), dtype=torch.bool, device=flat.device)
    kept[flat.argsort(stable=True)[: round(sparsity * len(kept))]] = False
    parts = torch.split(kept, [magnitude.numel() for magnitude in magnitudes])
    return [part.reshape(magnitude.shape) for magnitude, part in zip(magnitudes, parts, strict=True)]


def _largest_of_each(magnitude: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """As many of each row of (cout, ...) as there are in ``mask`` on average."""
    count = max(1, round(int(mask.sum()) / len(mask)))
    order = magnitude.flatten(1).argsort(dim=1, descending=True, stable=True)
    return torch.zeros_like(mask).flatten(1).scatter_(1, order[:, :count], True).reshape(mask.shape)


def prune(module: nn.Module, sparsity: float, *, balanced: bool = False) -> None:
    """Set the smallest of all trained weights of convolutions and linear layers together to zero, in place.

    Parameters
    ----------
    module : nn.Module
        Biases, normalisation and weights that are not trained stay as they are.
    sparsity, balanced
        See ``kept_weights``.

    Raises
    ------
    MethodError
        A parameter out of range; no trained weights, or some that are derived from other parameters. Nothing is changed then.
    """
    found = needed(weight_layers(module), "trained weights")
    weights = [plain_weight(name, layer) for name, layer in found.items()]
    with torch.no_grad():
        for weight, kept in zip(weights, kept_weights(weights, sparsity=sparsity, balanced=balanced), strict=True):
            weight.masked_fill_(~kept, 0)
