"""Penalty on weights, which makes them ready for pruning."""

from collections.abc import Sequence

import torch
from torch import nn

from quiesce.sw.sparsity.errors import MethodError
from quiesce.sw.sparsity.schedule import Schedule, ScheduledPenalty
from quiesce.sw.sparsity.selection import check_block
from quiesce.sw.sparsity.sites import needed, weight_layers

__all__ = ["WeightPenalty", "weight_penalty"]


def weight_penalty(weights: Sequence[torch.Tensor], block: int = 1) -> torch.Tensor:
    """l1 norm of weights, or of the root mean squares of their blocks, as a mean over all weights::

        block = 1:  P = sum |w| / n
        block = V:  P = sum_blocks V rms(block) / n      (group lasso, Yuan and Lin, 2006)

    Parameters
    ----------
    weights : sequence of Tensor, shape (cout, ...)
        n in all.
    block : int
        Consecutive output channels that form a block; the last one is smaller if ``block`` does not divide cout.

    Raises
    ------
    MethodError
        The block is out of range, or there are no weights.
    """
    check_block(block)
    if not weights:
        raise MethodError("there are no weights to penalise")
    count = sum(weight.numel() for weight in weights)
    if block == 1:
        return torch.stack([weight.abs().sum() for weight in weights]).sum() / count
    parts = [part for weight in weights for part in torch.split(weight, block)]
    return torch.stack([len(part) ** 0.5 * torch.linalg.vector_norm(part, dim=0).sum() for part in parts]).sum() / count


class WeightPenalty(ScheduledPenalty):
    """Adds ``coefficient x P`` to the loss, see ``weight_penalty``.

    Source: the second of three stages of Yu and Tian, arXiv 2405.19652, 2024; its mean over the weights and its blocks are this
    project's reconstruction.

    Parameters
    ----------
    coefficient : float
        At least 0.
    block : int
        At least 1.
    schedule : Schedule, optional
        When it acts; by default always.
    layers : sequence of str or None
        By default all of ``weight_layers``.

    Raises
    ------
    MethodError
        A parameter out of range; when attached, no trained weights.
    """

    def __init__(
        self,
        coefficient: float,
        *,
        block: int = 1,
        schedule: Schedule | None = None,
        layers: Sequence[str] | None = None,
    ) -> None:
        super().__init__(coefficient, schedule)
        check_block(block)
        self.block, self.layers = block, layers
        self._layers: list[nn.Module] = []

    def _attach(self, module: nn.Module) -> None:
        self._layers = list(needed(weight_layers(module, self.layers), "trained weights").values())

    def _detach(self, module: nn.Module) -> None:
        self._layers = []

    def loss(self) -> torch.Tensor | None:
        weights = [layer.weight for layer in self._layers if isinstance(layer.weight, torch.Tensor)]
        if not (self.factor and weights and self.module.training):
            return None
        return self.factor * weight_penalty(weights, self.block)

    def describe(self) -> str:
        blocks = f" of blocks of {self.block} output channels" if self.block > 1 else ""
        return f"{self.coefficient:g} x mean l1 of the weights{blocks} joins the loss{self.schedule.describe()}."
