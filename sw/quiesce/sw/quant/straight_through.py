"""Straight-through functions: the integer arithmetic going forward, useful gradients going backward.

Bengio, Leonard and Courville, "Estimating or propagating gradients through stochastic neurons", 2013.
"""

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from quiesce.sw.quant.parts import parts

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
        ctx: Any, acc: torch.Tensor, bias: torch.Tensor | None, multiplier: torch.Tensor, shift: torch.Tensor, low: int,
        high: int, threshold: int,
    ) -> torch.Tensor:  # fmt: skip
        # (acc + bias) x multiplier has at most 47 bits here, and scaling by a power of two is exact: float64 rounds neither in
        # the product nor in the sum, which is r + 1/2.
        factor = (multiplier.double() * torch.exp2(-shift.double())).reshape(-1, 1, 1).to(acc.device)
        offset = 0.5 if bias is None else bias.to(acc.device, torch.float64).reshape(-1, 1, 1) * factor + 0.5
        offset, one = torch.as_tensor(offset, device=acc.device), torch.ones((), dtype=torch.float64, device=acc.device)
        out = torch.empty_like(acc)
        trained = any(ctx.needs_input_grad)
        # 1 or 0, as numbers: on processors, operations on bool are many times slower.
        passes = torch.empty_like(acc, dtype=torch.int8) if trained else out
        for acc_part, out_part, passes_part in parts(acc, out, passes):
            shifted = torch.addcmul(offset, acc_part.double(), factor)
            if trained:
                passes_part.copy_(torch.ops.aten.hardtanh_backward(one.expand_as(shifted), shifted, low + 0.5, high + 0.5))
            out_part.copy_(shifted.floor_()).clamp_(low, high)
            if threshold:
                kept = torch.ge(out_part, threshold, out=torch.empty_like(out_part))
                out_part.mul_(kept)
                if trained:
                    passes_part.mul_(kept.to(torch.int8))
        if trained:
            ctx.save_for_backward(passes, factor.to(acc.dtype))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        passes, factor = ctx.saved_tensors
        gradient = torch.empty_like(passes, dtype=factor.dtype)
        sums = []
        for passes_part, grad, target in parts(passes, grads[0], gradient):
            torch.mul(grad, factor, out=target).mul_(passes_part.to(factor.dtype))
            if ctx.needs_input_grad[1]:
                sums.append(target.sum(dim=(0, 2, 3)))
        return gradient, torch.stack(sums).sum(dim=0) if sums else None, None, None, None, None, None


def round_half_up(real: torch.Tensor) -> torch.Tensor:
    """``floor(real + 1/2)``; the gradient passes unchanged."""
    return _Round.apply(real)  # type: ignore[no-any-return, no-untyped-call]


def clip(real: torch.Tensor, limit: int) -> torch.Tensor:
    """``real`` within ``-limit..limit``; the gradient passes unchanged, so that what was clipped can come back."""
    return _Clip.apply(real, limit)  # type: ignore[no-any-return, no-untyped-call]


def requantize(
    acc: torch.Tensor,
    multiplier: torch.Tensor,
    shift: torch.Tensor,
    low: int,
    high: int,
    threshold: int = 0,
    bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """Rescale accumulators as ``quiesce.sw.format.requantize`` does; the gradient is that of the unrounded rescale::

        r   = (acc + bias) * multiplier / 2^shift
        q   = clip(floor(r + 1/2), low, high)
        out = 0 if 0 <= q < threshold else q
        d out / d acc = multiplier / 2^shift   where low < r < high and q was kept, else 0

    Parameters
    ----------
    acc : Tensor of float, shape (N, C, H, W)
        Integers, of magnitude below 2^31 also with the bias.
    multiplier, shift : Tensor, shape (C,)
        1..65535 and 0..47.
    low, high, threshold : int
        As in ``Layer``.
    bias : Tensor of float or None, shape (C,)
        Integers.

    Returns
    -------
    Tensor of float, shape (N, C, H, W)
        Integers low..high, in the type of ``acc``.
    """
    return _Requantize.apply(acc, bias, multiplier, shift, low, high, threshold)  # type: ignore[no-any-return, no-untyped-call]
