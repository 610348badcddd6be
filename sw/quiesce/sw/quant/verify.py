"""Proof by example that a plan computes what the module computes that it was traced from."""

from collections import deque

import torch
from torch import nn

from quiesce.sw.quant.errors import QuantizeError, unfit_inputs
from quiesce.sw.quant.integers import NEGLIGIBLE
from quiesce.sw.quant.plan import Plan

__all__ = ["check_plan"]

_IMAGES = 64
"""Calibration inputs that are compared."""
_BATCH = 16
_TOLERANCE = 1e-3
"""Root mean square of the difference, relative to that of the output: a tenth of what rounding to 8 bits costs."""
_CAUSES = (
    "Probable causes: an in-place operation on a map that is read under another name, a hook, a replaced forward, dropout that "
    "is active in evaluation mode, or anything else that a trace of the module's Python code does not show"
)


@torch.no_grad()
def check_plan(plan: Plan, module: nn.Module, inputs: torch.Tensor) -> None:
    """Compare the outputs of plan and module for the first inputs, in batches.

    Parameters
    ----------
    plan : Plan
        Traced from the module.
    module : nn.Module
        In evaluation mode.
    inputs : Tensor of float, shape (N, C, H, W) or (N, F)
        Left as they are.

    Raises
    ------
    QuantizeError
        The outputs differ by more than the rounding of their type.
    CalibrationError
        The module does not take the inputs.
    """
    noise, power = 0.0, 0.0
    tolerance = _TOLERANCE
    for batch in torch.split(inputs[:_IMAGES], _BATCH):
        try:
            real = module(batch.clone())
        except Exception as error:
            raise unfit_inputs(tuple(inputs.shape), error) from error
        ((_, found),) = deque(plan.forward(batch.detach().float().reshape(-1, *plan.in_shape)), maxlen=1)
        if not isinstance(real, torch.Tensor) or real.numel() != found.numel() or len(real) != len(found):
            what = tuple(real.shape) if isinstance(real, torch.Tensor) else type(real).__name__
            raise QuantizeError(f"{_about(plan, module)} of shape {tuple(found.shape)}, not {what}. {_CAUSES}")
        tolerance = max(_TOLERANCE, 8 * torch.finfo(real.dtype).eps)
        real, found = real.double().flatten(), found.double().flatten()
        # What is not finite must be so in both, and alike.
        finite = found.isfinite()
        same = torch.equal(finite, real.isfinite())
        real, found = real[finite], found[finite]
        noise += float((found - real).square().sum()) if same else float("inf")
        power += float(real.square().sum()) + len(finite) * NEGLIGIBLE**2
    if noise > tolerance**2 * power:
        ratio = (noise / power) ** 0.5
        raise QuantizeError(f"{_about(plan, module)} that differs by {ratio:.2%} (root mean square). {_CAUSES}")


def _about(plan: Plan, module: nn.Module) -> str:
    return f"the layers traced from {type(module).__name__} do not compute what it computes: layer {plan.output!r} has an output"
