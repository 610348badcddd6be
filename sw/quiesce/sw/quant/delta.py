"""ReLU whose outputs are whole learned steps, so that small changes of an activation are no changes."""

from typing import Any

import torch
from torch import nn

__all__ = ["DeltaActivation", "whole_steps", "without_steps"]

_LEAST = 1e-6
"""Least step: what is below would leave the range of float32 in the number of steps."""


class _WholeSteps(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, acts: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        steps = torch.relu(acts).div_(step).add_(0.5).floor_()
        ctx.save_for_backward(acts, steps)
        ctx.shape = step.shape
        return steps * step

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        acts, steps = ctx.saved_tensors
        of_step = None
        if ctx.needs_input_grad[1]:
            of_step = (grads[0] * steps).sum_to_size(ctx.shape).neg()
        return torch.ops.aten.threshold_backward(grads[0], acts, 0), of_step


def whole_steps(acts: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    """``y = q floor(s / q + 1/2)`` with ``s = relu(x)``; the gradients are those of the Delta Activation Layer::

        dy/ds = 1            dy/dq = -floor(s / q + 1/2)

    The path through ``1/q`` is blocked, and the sign of the step's gradient is inverted on purpose: a loss of changes would
    else make the step smaller, and so the activations, instead of coarser.

    Parameters
    ----------
    acts : Tensor, shape (N, ...)
        ``x``.
    step : Tensor
        ``q``, above 0, of a shape that broadcasts to ``acts``.
    """
    return _WholeSteps.apply(acts, step)  # type: ignore[no-any-return, no-untyped-call]


class DeltaActivation(nn.Module):
    """``y = q round(relu(x) / q)`` with a learned step ``q = |theta|``; see ``whole_steps`` for its gradients.

    Quantisation makes the step the scale of the map. Source: Yousefzadeh and Sifalakis, "Training for temporal sparsity in deep
    neural networks, application in video processing", arXiv 2107.07305, 2021.

    Parameters
    ----------
    step : Tensor of float
        Initial steps, finite and above 0, of shape () for all of the map, (C,) for each channel or (C, H, W) for each neuron.

    Raises
    ------
    ValueError
        Another shape, or a step that is not finite and above 0.
    """

    def __init__(self, step: torch.Tensor) -> None:
        super().__init__()
        if step.ndim not in (0, 1, 3) or not bool((torch.isfinite(step) & (step > 0)).all()):
            raise ValueError(f"steps of shape {tuple(step.shape)}: finite ones above 0 of shape (), (C,) or (C, H, W) are needed")
        self.theta = nn.Parameter(step.detach().clone())

    @property
    def step(self) -> torch.Tensor:
        """``|theta|``, at least 1e-6."""
        return self.theta.abs().clamp(min=_LEAST)

    def forward(self, acts: torch.Tensor) -> torch.Tensor:
        """Activations (N, C, H, W), or (N, C) unless each neuron of a larger map has a step."""
        step = self.step
        return whole_steps(acts, step.reshape(-1, *(1,) * (acts.ndim - 2)) if step.ndim == 1 else step)

    def extra_repr(self) -> str:
        return f"step of shape {tuple(self.theta.shape)}, mean {float(self.step.detach().mean()):g}"


def without_steps(module: nn.Module) -> nn.Module:
    """The module, changed so that plain ReLU stands in place of each ``DeltaActivation``."""
    places = [name for name, layer in module.named_modules(remove_duplicate=False) if isinstance(layer, DeltaActivation)]
    for name in places:
        path, _, own = name.rpartition(".")
        setattr(module.get_submodule(path), own, nn.ReLU())
    return module
