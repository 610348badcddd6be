"""Regularisers of activations: each maps activations (N, ...) to the mean over the images of a sum over their activations.

Their gradients are those of the formulas, with 0 for that of ``|x|`` at 0. All take ``scale``, the real value of one step of the
activations ``x = scale acts``, and compute in float32 at least, see ``curves``.
"""

from collections.abc import Callable, Mapping
from functools import partial
from inspect import signature
from math import inf
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from quiesce.sw.quant.parts import parts
from quiesce.sw.sparsity.curves import L1, Count, PartialL1, Tl1, real, total
from quiesce.sw.sparsity.errors import MethodError

__all__ = ["REGULARISERS", "count", "hoyer", "l1", "partial_l1", "regulariser", "tl1"]

_EPSILON = 1e-6
_COUNT_SLOPE = 100.0

Function = Callable[..., torch.Tensor]
"""Of activations, and ``scale`` by name."""


def _check_positive(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < inf:
        raise MethodError(f"{name}: {value!r} is not above 0 and finite")


def l1(acts: torch.Tensor, *, scale: float = 1.0) -> torch.Tensor:
    """``mean over images of sum |x|`` of activations (N, ...): a scalar. Its gradient is ``sign(x) / N``.

    Source: G. Georgiadis, "Accelerating Convolutional Neural Networks via Activation Map Compression", CVPR 2019.
    """
    return total(acts, L1(), scale=scale) / len(acts)


def partial_l1(acts: torch.Tensor, threshold: float = 0.1, *, scale: float = 1.0) -> torch.Tensor:
    """``mean over images of sum |x| 1(|x| < threshold)``: only small activations, which a threshold then removes, are pushed.

    Its gradient is ``sign(x) / N`` where ``|x| < threshold``, else 0.

    Source: Zhu et al., "STAR: Sparse Thresholded Activation under partial-Regularization for Activation Sparsity Exploration",
    CVPR Workshops 2023.

    Parameters
    ----------
    acts : Tensor, shape (N, ...)
        Activations.
    threshold : float
        In units of the activations, above 0.
    """
    _check_positive("threshold", threshold)
    return total(acts, PartialL1(threshold), scale=scale) / len(acts)


class _Hoyer(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, acts: torch.Tensor, scale: float) -> torch.Tensor:
        axes = tuple(range(1, acts.ndim))
        sums, squares = [], []
        for (part,) in parts(acts):
            values = real(part, scale)
            sums.append(values.abs().sum(dim=axes, keepdim=True))
            squares.append(values.square().sum(dim=axes, keepdim=True))
        norm, power = torch.cat(sums), torch.cat(squares) + _EPSILON
        ctx.save_for_backward(acts, norm, power)
        ctx.scale = scale
        return (norm.square() / power).mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        acts, norm, power = ctx.saved_tensors
        share = norm / power
        # d (norm^2 / power) / dx = 2 share sign(x) - 2 share^2 x
        factor = (grads[0] * (2 * ctx.scale / len(acts))) * share
        gradient = torch.empty_like(acts)
        for part, target, *coefficients in parts(acts, gradient, factor, share):
            values = real(part, ctx.scale)
            of_image, ratio = coefficients
            target.copy_((values * ratio).neg_().add_(values.sgn()).mul_(of_image))
        return gradient, None


def hoyer(acts: torch.Tensor, *, scale: float = 1.0) -> torch.Tensor:
    """``mean over images of (sum |x|)^2 / (sum x^2 + eps)`` of activations (N, ...): a scalar.

    A smooth count of nonzeros: it lies between 1 and their number, and scaling x does not change it (Yang, Wen and Li,
    "DeepHoyer", ICLR 2020).
    """
    return _Hoyer.apply(acts, scale)  # type: ignore[no-any-return, no-untyped-call]


def count(acts: torch.Tensor, *, scale: float = 1.0) -> torch.Tensor:
    """``mean over images of sum sigmoid(100 x)``: a surrogate of the number of activations above zero (each zero counts 1/2).

    Its gradient is ``100 s (1 - s) / N`` with ``s = sigmoid(100 x)``: it reaches activations of up to some 0.1.
    """
    return total(acts, Count(_COUNT_SLOPE), scale=scale) / len(acts)


def tl1(acts: torch.Tensor, b: float = 1.0, *, scale: float = 1.0) -> torch.Tensor:
    """Transformed l1, ``mean over images of sum (1 + b) |x| / (b + |x|)``.

    It is near the number of nonzeros for small b and near l1 for large b.
    The gradient is ``sign(x) b (1 + b) / (b + |x|)^2 / N``.

    Source: Yu and Tian, "Dual sparse training framework: inducing activation map sparsity via Transformed l1 regularization",
    arXiv 2405.19652, 2024.

    Parameters
    ----------
    acts : Tensor, shape (N, ...)
        Activations.
    b : float
        Above 0, in units of the activations.
    """
    _check_positive("b", b)
    return total(acts, Tl1(b), scale=scale) / len(acts)


REGULARISERS: Mapping[str, Callable[..., torch.Tensor]] = {
    "l1": l1, "partial_l1": partial_l1, "hoyer": hoyer, "count": count, "tl1": tl1,
}  # fmt: skip


def regulariser(kind: str, **parameters: float) -> Function:
    """The regulariser of a name with its parameters bound.

    Parameters
    ----------
    kind : str
        A key of ``REGULARISERS``.
    **parameters : float
        ``threshold`` of ``partial_l1``, ``b`` of ``tl1``; above 0.

    Raises
    ------
    MethodError
        No such regulariser, or no such parameter, or not a positive number.
    """
    if kind not in REGULARISERS:
        raise MethodError(f"{kind!r} is not one of {', '.join(REGULARISERS)}")
    known = [name for name in signature(REGULARISERS[kind]).parameters if name not in ("acts", "scale")]
    for name, value in parameters.items():
        if name not in known:
            raise MethodError(f"{kind} has no parameter {name!r}")
        _check_positive(name, value)
    return partial(REGULARISERS[kind], **parameters)
