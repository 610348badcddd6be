"""ReLU with a threshold above zero."""

import torch
from torch import nn

__all__ = ["FatReLU"]


class FatReLU(nn.Module):
    """``x if x >= threshold else 0``: forced activation threshold (Kurtz et al., "Inducing and Exploiting Activation Sparsity
    for Fast Inference on Deep Neural Networks", ICML 2020).

    The gradient passes where the activation is kept. Quantisation turns the threshold into ``Layer.threshold``.

    Parameters
    ----------
    threshold : float
        In units of the activations, finite and not negative; at 0 this is ReLU. A buffer, so that it is part of the state.

    Raises
    ------
    ValueError
        The threshold is negative or not finite.
    """

    threshold: torch.Tensor

    def __init__(self, threshold: float = 0.0) -> None:
        super().__init__()
        if not 0 <= threshold < float("inf"):
            raise ValueError(f"threshold {threshold!r} is not finite and at least 0")
        self.register_buffer("threshold", torch.tensor(float(threshold)))

    def forward(self, acts: torch.Tensor) -> torch.Tensor:
        """Activations of any shape."""
        return torch.where((acts >= self.threshold) & (acts > 0), acts, 0.0)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold.item():g}"
