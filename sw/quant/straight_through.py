"""Straight-through functions: the integer arithmetic going forward, useful gradients going backward.

Bengio, Leonard and Courville, "Estimating or propagating gradients through stochastic neurons", 2013.
"""

from typing import Any

import torch

__all__ = ["clip", "requantize", "round_half_up"]


class _Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, real: torch.Tensor) -> torch.Tensor:
        return torch.floor(real + 0.5)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> torch.Tensor:
        return grads[0]


class _Clip(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, real: torch.Tensor, limit: int) -> torch.Tensor:
        return real.clamp(-limit, limit)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return grads[0], None


class _Requantize(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, acc: torch.Tensor, multiplier: torch.Tensor, shift: torch.Tensor, low: int, high: int, threshold: int
    ) -> torch.Tensor:
        # acc x multiplier has at most 47 bits here, and scaling by a power of two is exact: float64 rounds nowhere.
        factor = (multiplier.double() * torch.exp2(-shift.double())).reshape(-1, 1, 1).to(acc.device)
        real = acc.double() * factor
        q = torch.floor(real + 0.5).clamp(low, high)
        passes = (real > low) & (real < high)
        if threshold:
            passes &= q >= threshold
            q = torch.where(q >= threshold, q, 0.0)
        ctx.save_for_backward(passes, factor.to(acc.dtype))
        return q.to(acc.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        passes, factor = ctx.saved_tensors
        return grads[0] * passes * factor, None, None, None, None, None


def round_half_up(real: torch.Tensor) -> torch.Tensor:
    """``floor(real + 1/2)``; the gradient passes unchanged."""
    return _Round.apply(real)  # type: ignore[no-any-return, no-untyped-call]


def clip(real: torch.Tensor, limit: int) -> torch.Tensor:
    """``real`` within ``-limit..limit``; the gradient passes unchanged, so that what was clipped can come back."""
    return _Clip.apply(real, limit)  # type: ignore[no-any-return, no-untyped-call]


def requantize(
    acc: torch.Tensor, multiplier: torch.Tensor, shift: torch.Tensor, low: int, high: int, threshold: int = 0
) -> torch.Tensor:
    """Rescale accumulators as ``quiesce.sw.format.requantize`` does; the gradient is that of the unrounded rescale::

        r   = acc * multiplier / 2^shift
        q   = clip(floor(r + 1/2), low, high)
        out = q if q >= threshold or threshold is 0, else 0
        d out / d acc = multiplier / 2^shift   where low < r < high and q was kept, else 0

    Parameters
    ----------
    acc : Tensor of float, shape (N, C, H, W)
        Integers of magnitude below 2^31.
    multiplier, shift : Tensor, shape (C,)
        1..65535 and 0..47.
    low, high, threshold : int
        As in ``Layer``.

    Returns
    -------
    Tensor of float, shape (N, C, H, W)
        Integers low..high, in the type of ``acc``.
    """
    return _Requantize.apply(acc, multiplier, shift, low, high, threshold)  # type: ignore[no-any-return, no-untyped-call]
