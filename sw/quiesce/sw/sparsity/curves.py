"""Sums of functions of single activations, and their gradients, at little more than the cost of reading the activations."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from quiesce.sw.quant.parts import parts

__all__ = ["Count", "Curve", "L1", "PartialL1", "Tl1", "applied", "real", "total"]


class Curve(ABC):
    """A function of one activation. Both methods take float32 or float64 of any shape and leave it as it is."""

    @abstractmethod
    def values(self, acts: torch.Tensor) -> torch.Tensor:
        """Of each activation, in a new tensor."""

    @abstractmethod
    def slopes(self, acts: torch.Tensor, factor: torch.Tensor, out: torch.Tensor) -> None:
        """Write ``factor`` x derivative at each activation, 0 for that of ``|x|`` at 0, to ``out``."""


# What is 1 or 0 is kept as a number: on processors, operations on bool are many times slower.


@dataclass(frozen=True)
class L1(Curve):
    """``|x|``"""

    def values(self, acts: torch.Tensor) -> torch.Tensor:
        return acts.abs()

    def slopes(self, acts: torch.Tensor, factor: torch.Tensor, out: torch.Tensor) -> None:
        torch.sgn(acts, out=out).mul_(factor)


@dataclass(frozen=True)
class PartialL1(Curve):
    """``|x|`` where it is below a threshold, else 0."""

    threshold: float

    def values(self, acts: torch.Tensor) -> torch.Tensor:
        magnitudes = acts.abs()
        return magnitudes.mul_(torch.lt(magnitudes, self.threshold, out=torch.empty_like(acts)))

    def slopes(self, acts: torch.Tensor, factor: torch.Tensor, out: torch.Tensor) -> None:
        torch.lt(acts.abs(), self.threshold, out=out).mul_(acts.sgn()).mul_(factor)


@dataclass(frozen=True)
class Count(Curve):
    """``sigmoid(steepness x)``"""

    steepness: float

    def values(self, acts: torch.Tensor) -> torch.Tensor:
        return acts.mul(self.steepness).sigmoid_()

    def slopes(self, acts: torch.Tensor, factor: torch.Tensor, out: torch.Tensor) -> None:
        values = self.values(acts)
        torch.addcmul(values, values, values, value=-1.0, out=out).mul_(factor * self.steepness)


@dataclass(frozen=True)
class Tl1(Curve):
    """``(1 + b) |x| / (b + |x|)``"""

    b: float

    def values(self, acts: torch.Tensor) -> torch.Tensor:
        magnitudes = acts.abs()
        return magnitudes.div_((magnitudes + self.b).mul_(1 / (1 + self.b)))

    def slopes(self, acts: torch.Tensor, factor: torch.Tensor, out: torch.Tensor) -> None:
        torch.abs(acts, out=out).add_(self.b).pow_(-2).mul_(acts.sgn()).mul_(factor * (self.b * (1 + self.b)))


def real(part: torch.Tensor, scale: float) -> torch.Tensor:
    """``scale x part`` in float32 or float64; the part itself if that is what it is."""
    part = part.to(torch.promote_types(part.dtype, torch.float32))
    return part if scale == 1 else part * scale


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, acts: torch.Tensor, curve: Curve, scale: float, axes: tuple[int, ...]) -> torch.Tensor:
        ctx.save_for_backward(acts)
        ctx.curve, ctx.scale = curve, scale
        sums = [curve.values(real(part, scale)).sum(dim=axes, keepdim=True) for (part,) in parts(acts)]
        return torch.cat(sums).sum(dim=0, keepdim=True) if len(sums) > 1 else sums[0]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (acts,) = ctx.saved_tensors
        factor = grads[0] * ctx.scale
        factor = factor.squeeze() if factor.numel() == 1 else factor  # a plain number is multiplied faster
        gradient = torch.empty_like(acts)
        for part, target in parts(acts, gradient):
            values = real(part, ctx.scale)
            out = target if target.dtype == values.dtype else torch.empty_like(values)
            ctx.curve.slopes(values, factor, out)
            if out is not target:
                target.copy_(out)
        return gradient, None, None, None


class _Applied(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, curve: Curve) -> torch.Tensor:
        ctx.save_for_backward(values)
        ctx.curve = curve
        return curve.values(values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (values,) = ctx.saved_tensors
        gradient = torch.empty_like(values)
        ctx.curve.slopes(values, grads[0], gradient)
        return gradient, None


def applied(values: torch.Tensor, curve: Curve) -> torch.Tensor:
    """``curve(x)`` of each value, float32 or float64 of any shape; for the gradient the values alone are kept."""
    return _Applied.apply(values, curve)  # type: ignore[no-any-return, no-untyped-call]


def total(acts: torch.Tensor, curve: Curve, *, scale: float = 1.0, axes: tuple[int, ...] | None = None) -> torch.Tensor:
    """``sum curve(scale x)`` over some axes, the first one among them.

    Nothing is kept for the gradient but the activations themselves, which the layer that reads them keeps anyway; on a processor
    neither a copy in another type nor an intermediate result is ever as large as they are.

    Parameters
    ----------
    acts : Tensor, shape (N, ...)
        Of any floating type.
    curve : Curve
        Whose derivative makes the gradient.
    scale : float
        Real value of one step of ``acts``.
    axes : tuple of int or None
        By default all.

    Returns
    -------
    Tensor
        At least float32; the other axes as they are.
    """
    over = tuple(range(acts.ndim)) if axes is None else axes
    sums: torch.Tensor = _Total.apply(acts, curve, scale, over)  # type: ignore[no-untyped-call]
    return sums.squeeze(over)
