"""ReLU with a threshold above zero."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from quiesce.sw.quant.parts import parts

__all__ = ["BufferValue", "FatReLU", "keep"]


class BufferValue:
    """The number in a buffer, read again only after it was changed, since reading waits for the device."""

    def __init__(self) -> None:
        self._buffer: torch.Tensor | None = None
        self._version, self._value = -1, 0.0

    def of(self, buffer: torch.Tensor) -> float:
        """The number in a buffer of one element."""
        if buffer is not self._buffer or buffer._version != self._version:
            self._buffer, self._version, self._value = buffer, buffer._version, float(buffer)
        return self._value


class _Keep(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, acts: torch.Tensor, threshold: float, winners: Callable[[torch.Tensor], torch.Tensor] | None
    ) -> torch.Tensor:
        out = torch.relu(acts)
        if threshold:
            for (part,) in parts(out):
                part.mul_(torch.ge(part, threshold, out=torch.empty_like(part)))
        if winners is not None:
            out.mul_(winners(out))
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (out,) = ctx.saved_tensors
        return torch.ops.aten.threshold_backward(grads[0], out, 0), None, None


def keep(acts: torch.Tensor, threshold: float, winners: Callable[[torch.Tensor], torch.Tensor] | None = None) -> torch.Tensor:
    """ReLU of activations (N, ...), then 0 for what is below a threshold, and where ``winners`` of that is 0.

    The gradient passes where the result is above 0; it needs nothing but the result.
    """
    return _Keep.apply(acts, threshold, winners)  # type: ignore[no-any-return, no-untyped-call]


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
        self._threshold = BufferValue()

    def forward(self, acts: torch.Tensor) -> torch.Tensor:
        """Activations of any shape."""
        return keep(acts, self._threshold.of(self.threshold))

    def extra_repr(self) -> str:
        return f"threshold={self.threshold.item():g}"
