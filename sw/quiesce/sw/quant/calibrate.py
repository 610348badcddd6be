"""Activation scales from calibration inputs."""

from collections.abc import Mapping
from enum import Enum

import torch

from quiesce.sw.format.checks import ACT_MAX, check_scale, largest
from quiesce.sw.format.network import INPUT
from quiesce.sw.quant.errors import CalibrationError
from quiesce.sw.quant.integers import NEGLIGIBLE
from quiesce.sw.quant.plan import Plan

__all__ = ["Calibration", "activation_scales", "input_range"]

_PERCENTILE = 0.9999
_MSE_STEPS = 40


class Calibration(str, Enum):
    """What of the calibration activations the largest integer stands for."""

    MAX = "max"
    """The largest magnitude."""
    PERCENTILE = "percentile"
    """The magnitude that 99.99 % of the nonzero ones do not exceed."""
    MSE = "mse"
    """The limit, 1/40..40/40 of the largest magnitude, with the least mean squared error of clipping and rounding."""


def activation_scales(
    plan: Plan,
    inputs: torch.Tensor,
    method: Calibration | None = None,
    input_scale: float | None = None,
    bits: Mapping[str, int] | None = None,
) -> dict[str, float]:
    """Real value of one integer step of the input and of every layer's output.

    Parameters
    ----------
    plan : Plan
        The network.
    inputs : Tensor of float, shape (N, C, H, W)
        Calibration inputs, some hundreds.
    method : Calibration or None
        How the limits of the outputs follow from the activations; by default MAX for maps of 8 bits, MSE for narrower ones. The
        input's limit is always its largest magnitude.
    input_scale : float or None
        The input's scale if it is already known.
    bits : mapping of str to int or None
        Bits of the activations of each map, by layer name and "input"; by default 8.

    Returns
    -------
    dict of str to float
        By layer name and "input". A layer whose outputs are inputs has its input's scale; a map without nonzeros (of more
        than ``NEGLIGIBLE``) has scale 1/127. No threshold of an output is beyond its limit. A map in learned steps has these
        as its scale, unless they are too fine for its largest activations.

    Raises
    ------
    CalibrationError
        An activation is not finite.
    QuantizeError
        A sum of maps of too unequal ranges, see ``forms.joins``.
    ScaleError
        ``input_scale`` is not finite and positive.
    """
    if input_scale is not None:
        check_scale(input_scale, "input_scale")
    most = {name: largest((bits or {}).get(name, 8)) for name in (INPUT, *(layer.name for layer in plan.layers))}
    limit = _limit(inputs, Calibration.MAX, INPUT, most[INPUT]) or 1.0
    scales = {INPUT: limit / most[INPUT] if input_scale is None else input_scale}
    with torch.no_grad():
        for layer, acts in plan.forward(inputs):
            if layer.keeps_scale:
                scales[layer.name] = scales[layer.sources[0]]
            else:
                steps = most[layer.name]
                chosen = method or (Calibration.MAX if steps == ACT_MAX else Calibration.MSE)
                limit = max(_limit(acts, chosen, layer.name, steps), layer.threshold)
                least = 0.0 if layer.step is None else float(layer.step)
                scales[layer.name] = max((limit or 1.0) / steps, least)
                if limit:
                    layer.form.check_scales(layer, acts, scales, most)
    return scales


def input_range(inputs: torch.Tensor, bits: int = 8) -> tuple[int, int]:
    """Integers that the network accepts: 0..127 if no calibration input is negative, else -127..127; 7 for 127 at 4 bits."""
    return (0 if bool((inputs >= 0).all()) else -largest(bits)), largest(bits)


def _limit(acts: torch.Tensor, method: Calibration, name: str, most: int) -> float:
    """Real value that the integer ``most`` stands for; 0 if there are no nonzeros."""
    magnitudes = acts.abs().flatten()
    peak = float(magnitudes.max())
    if not torch.isfinite(magnitudes).all():
        raise CalibrationError(f"{name}: calibration activations are not finite")
    if peak <= NEGLIGIBLE:
        return 0.0
    if method is Calibration.PERCENTILE:
        nonzero = magnitudes[magnitudes > 0]
        return float(nonzero.kthvalue(max(1, round(_PERCENTILE * len(nonzero)))).values)
    if method is Calibration.MSE:
        limits = [peak * step / _MSE_STEPS for step in range(1, _MSE_STEPS + 1)]
        return min(limits, key=lambda limit: _rounding_error(magnitudes, limit / most, most))
    return peak


def _rounding_error(magnitudes: torch.Tensor, scale: float, most: int) -> float:
    return float(((magnitudes / scale + 0.5).floor().clamp(max=most) * scale - magnitudes).square().mean())
