"""Sparse weights: zeros that stay zero, and pruning by magnitude while a network is trained."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.utils import parametrize

from quiesce.sw.sparsity.method import Method
from quiesce.sw.sparsity.once import Once
from quiesce.sw.sparsity.selection import check_selection, kept_weights
from quiesce.sw.sparsity.sites import needed, plain_weight, weight_layers

__all__ = ["HeldZeros", "Pruning"]


class _Mask(nn.Module):
    """Multiplies weights by a mask of zeros and ones, which is part of the module's state."""

    mask: torch.Tensor

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", (weight != 0).to(weight.dtype))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight * self.mask


class HeldZeros(Method):
    """Weights of convolutions and linear layers that are zero when it is attached remain so; their gradient is zero.

    The mask is a parametrisation, so that the module's state has other names meanwhile.

    Parameters
    ----------
    layers : sequence of str or None
        By default all of ``weight_layers``.

    Raises
    ------
    MethodError
        When attached: weights with zeros that are derived from other parameters.
    """

    def __init__(self, layers: Sequence[str] | None = None) -> None:
        super().__init__()
        self.layers = layers
        self._masks: list[tuple[nn.Module, _Mask]] = []

    def _attach(self, module: nn.Module) -> None:
        for name, layer in weight_layers(module, self.layers).items():
            if self._needs_mask(layer):
                mask = _Mask(plain_weight(name, layer))
                parametrize.register_parametrization(layer, "weight", mask)
                self._masks.append((layer, mask))

    def _needs_mask(self, layer: nn.Module) -> bool:
        """Without zeros the weights of a layer are left alone."""
        return isinstance(layer.weight, torch.Tensor) and bool((layer.weight == 0).any())

    def _detach(self, module: nn.Module) -> None:
        for layer, _ in self._masks:
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
        self._masks = []

    def sparsity(self) -> float:
        """Share of zeros of the weights under a mask; 0 if there are none."""
        held = [mask.mask for _, mask in self._masks]
        return 1 - sum(float(mask.sum()) for mask in held) / sum(mask.numel() for mask in held) if held else 0.0

    def scalars(self) -> dict[str, float]:
        return {"weight_sparsity": self.sparsity()} if self._masks else {}


class Pruning(Once, HeldZeros):
    """Sets the smallest weights to zero after an epoch and holds them, and all zeros that there were, from then on.

    Blocks of as many output channels as a PE of the hardware has lanes leave no lane idle.

    Parameters
    ----------
    threshold, sparsity, block, balanced
        Which weights go, see ``quiesce.sw.sparsity.selection.kept_weights``.
    at : int
        Epochs, counted over all phases, after which it happens; at 0 before the first.
    layers : sequence of str or None
        By default all of ``weight_layers``.

    Raises
    ------
    MethodError
        A parameter out of range; when attached, no trained weights, or some that are derived from other parameters.
    """

    def __init__(
        self,
        *,
        threshold: float | None = None,
        sparsity: float | None = None,
        at: int = 0,
        block: int = 1,
        balanced: bool = False,
        layers: Sequence[str] | None = None,
    ) -> None:
        super().__init__(layers)
        check_selection(threshold=threshold, sparsity=sparsity, block=block, balanced=balanced)
        self.threshold, self.share, self.at, self.block, self.balanced = threshold, sparsity, at, block, balanced

    def _attach(self, module: nn.Module) -> None:
        needed(weight_layers(module, self.layers), "trained weights")
        super()._attach(module)

    def _needs_mask(self, layer: nn.Module) -> bool:
        return True  # whatever was pruned already, so that the names in the module's state do not depend on it

    def _act(self) -> None:
        weights = [layer.weight.detach() for layer, _ in self._masks if isinstance(layer.weight, torch.Tensor)]
        masks = kept_weights(
            weights, threshold=self.threshold, sparsity=self.share, block=self.block, balanced=self.balanced
        )  # fmt: skip
        for (_, mask), kept in zip(self._masks, masks, strict=True):
            mask.mask *= kept.to(mask.mask.dtype)

    def describe(self) -> str:
        unit = f"blocks of {self.block} output channels" if self.block > 1 else "weights"
        which = f"below {self.threshold:g}" if self.threshold is not None else f"of the smallest {self.share:.0%}"
        spread = ", equally many of each output channel of a layer," if self.balanced else ""
        return f"After epoch {self.at}, {unit} {which}{spread} are set to zero and stay zero."
