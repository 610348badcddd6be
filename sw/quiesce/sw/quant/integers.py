"""Integer parameters of a layer from its real ones: the one place where weights are rounded."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from quiesce.sw.format.checks import ACT_MAX, largest
from quiesce.sw.format.requantize import choose_multiplier
from quiesce.sw.quant.straight_through import clip, round_half_up

__all__ = ["ACC_WIDTH", "NEGLIGIBLE", "IntegerParameters", "integer_parameters", "unweighted"]

NEGLIGIBLE = 2.0**-102
"""Activations that are no larger count as zeros: their 24 significant bits would leave the range of float32."""
ACC_WIDTH = 24
"""Bits of the accumulators of all presets of the core."""
_LIMIT_STEPS = 40
_LEAST = torch.finfo(torch.float32).tiny
"""Least scale of weights, and of products: below it float32 loses bits."""
_VISIBLE = 4.0
"""Output steps by which the rounding of all weights of a channel together may change it at most."""
_GROWTH = 1 + 2.0**-8
"""Factor by which a scale grows until the sums fit."""


@dataclass(frozen=True, eq=False)
class IntegerParameters:
    """What the integer arithmetic needs of a layer.

    Parameters
    ----------
    weight : Tensor of float32
        Integers -127..127 or of fewer bits, shape as the real weights, or (inputs,) of ADD, or empty; gradients pass to these.
    bias : Tensor of float32, shape (cout,)
        Integers in accumulator units; gradients pass to the real bias.
    multiplier, shift : Tensor of int32, shape (cout,)
        Requantisation.
    weight_scale : Tensor of float32, shape (cout,)
        Real value of one weight step; empty if the layer has no weights per channel.
    coarser : Tensor of bool, shape (cout,) or (0,)
        Channels whose weights have larger steps than their magnitudes need, so that sums fit the accumulators.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    multiplier: torch.Tensor
    shift: torch.Tensor
    weight_scale: torch.Tensor
    coarser: torch.Tensor


def _weight_limits(weight: torch.Tensor, bits: int) -> torch.Tensor:
    """Real value per output channel that the largest integer of ``bits`` stands for.

    With 8 bits the largest magnitude. With fewer, of 1/40..40/40 of that, the one with the least squared error of clipping and
    rounding: the few large weights would leave too few steps to all the others.
    """
    flat, most = weight.flatten(1), largest(bits)
    peaks = flat.abs().amax(dim=1)
    if bits == 8:
        return peaks
    best, least = peaks, torch.full_like(peaks, float("inf"))
    for step in range(1, _LIMIT_STEPS + 1):
        limits = peaks * (step / _LIMIT_STEPS)
        scale = (limits / most).clamp(min=torch.finfo(flat.dtype).tiny)[:, None]
        error = ((flat / scale + 0.5).floor().clamp(-most, most) * scale - flat).square().sum(dim=1)
        best, least = torch.where(error < least, limits, best), torch.minimum(error, least)
    return best


def _reach(weight: torch.Tensor, in_range: tuple[int, int]) -> torch.Tensor:
    """Largest magnitude of the sums of products of (cout, n) weights, whatever the inputs: products of one sign add up."""
    magnitude, total = weight.abs().sum(dim=1, dtype=torch.float64), weight.sum(dim=1, dtype=torch.float64)
    positive, negative = (magnitude + total) / 2, (magnitude - total) / 2
    high, low = in_range[1], -in_range[0]
    return torch.maximum(positive * high + negative * low, negative * high + positive * low)


def _rounded(weight: torch.Tensor, step: torch.Tensor, most: int) -> torch.Tensor:
    """Integers of weights (cout, ...) for steps (cout,)."""
    return clip(round_half_up(weight / step.reshape(-1, *(1,) * (weight.ndim - 1))), most)


def _step_value(weight: torch.Tensor, integers: torch.Tensor, step: torch.Tensor, most: int) -> torch.Tensor:
    """Value of a step with the least squared error, of those that weights (cout, n) are rounded to the same integers with."""
    magnitude, steps = weight.abs(), integers.abs()
    lowest = torch.where(steps < most, magnitude / (steps + 0.5), 0.0).amax(dim=1)
    highest = torch.where(steps > 0, magnitude / (steps - 0.5), torch.inf).amin(dim=1)
    power = integers.square().sum(dim=1, dtype=torch.float64)
    best = ((weight * integers).sum(dim=1, dtype=torch.float64) / power).float()
    return torch.where(power > 0, best.clamp(lowest, highest), step)


def _fitted(
    weight: torch.Tensor, bias: torch.Tensor, step: torch.Tensor, in_range: tuple[int, int], most: int, limit: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Least steps of (cout, n) weights with which no sum of products leaves ``limit``, and their real values.

    The bias takes part, with an eighth of the limit at most: what a core adds behind the accumulators has 32 bits.

    The real value of a step that had to grow is that of the least squared error of the weights, of those for which the integers
    are the nearest ones: steps that are large beside the weights would otherwise make all of a channel too large or too small.

    Parameters
    ----------
    bias : Tensor of float64, shape (cout,)
        Magnitudes in units of inputs x weights.
    step : Tensor of float32, shape (cout,)
        At least these.
    """
    given, room = step, limit / 8
    most_bias = min(2.0**30, max(room, 2.0**31 - 2 - limit))
    reach = _reach(weight, in_range)
    least = torch.minimum((reach + bias) / limit, reach / (limit - room))
    step = torch.maximum(torch.maximum(step.double(), least), bias / most_bias).float()
    while True:
        integers = _rounded(weight, step, most)
        value = torch.where(step > given, _step_value(weight, integers, step, most), step)
        # One unit and 2^-22 more than the bias: it is rounded in float32.
        over = _reach(integers, in_range) + (bias / value * (1 + 2.0**-22) + 1).clamp(max=room) > limit
        if not over.any():
            return step, value
        step = torch.where(over, step * _GROWTH, step)


def integer_parameters(
    weight: torch.Tensor,
    bias: torch.Tensor,
    in_scale: float,
    out_scale: float,
    bits: int = 8,
    in_range: tuple[int, int] = (0, ACT_MAX),
    acc_width: int = ACC_WIDTH,
) -> IntegerParameters:
    """Round real weights and biases of a layer, with one weight scale per output channel::

        weight_scale[o] = limit[o] / 127                                  limit[o] = max |weight[o]|
        integer weight  = clip(floor(weight / weight_scale + 1/2), -127, 127)
        integer bias    = floor(bias / (in_scale weight_scale) + 1/2)
        multiplier[o] / 2^shift[o] ~ in_scale weight_scale[o] / out_scale

    With 4 bits 7 stands for 127, with 2 bits 1, and the limit is the one of least squared error. Gradients pass clipped weights
    unchanged. Where a channel's weights are (nearly) all zero the scale is larger, so that bias and multiplier stay in range; and
    where so many are large that some activations would overflow an accumulator, it is about the least with which none do, and of
    those with the same integers the one of the least squared error.

    Parameters
    ----------
    weight : Tensor of float32, shape (cout, ...)
        Finite.
    bias : Tensor of float32, shape (cout,)
        Finite.
    in_scale, out_scale : float
        Real value of one step of input and output.
    bits : int
        Bits of a weight, 8, 4 or 2.
    in_range : tuple of int
        Least and greatest input integer.
    acc_width : int
        Bits of the accumulators, 16..32.

    Raises
    ------
    ScaleError
        A weight or bias is not finite, or a channel's rescale is not within 2^-48..65535.
    """
    most, limit = largest(bits), (1 << (acc_width - 1)) - 1
    max_bias = 1 << (acc_width - 4)
    with torch.no_grad():
        flat, high = weight.flatten(1), max(in_range[1], -in_range[0])
        offset, reach = bias.abs().double() / in_scale, _reach(flat, in_range)
        # A channel of a smaller factor contributes nothing that shows in an output step.
        least = max(2.0**-acc_width * out_scale / in_scale, _LEAST, _LEAST / in_scale)
        fine = (_weight_limits(weight, bits).double() / most).clamp(min=least).float()
        step = torch.maximum(fine.double(), offset / max_bias).float()
        rounding = flat.shape[1] * high // 2
        near = (reach > 0) & (reach > step.double() * (limit - max_bias - rounding))
        if (step > fine).any():
            # 1 / max_bias of a bias is far below one output step, but not with many weights, unless the output is saturated.
            lost = (_rounded(flat, step, most) * step[:, None] - flat).abs().sum(dim=1, dtype=torch.float64) * high
            near |= (step > fine) & (lost * in_scale > _VISIBLE * out_scale) & ((offset - reach) * in_scale < ACT_MAX * out_scale)
        scale = step
        if near.any():
            step, scale = step.clone(), step.clone()
            step[near], scale[near] = _fitted(flat[near], offset[near], fine[near], in_range, most, limit)
        chosen = [choose_multiplier(in_scale * channel / out_scale) for channel in scale.tolist()]
        multiplier, shift = torch.tensor(chosen, dtype=torch.int32).unbind(dim=1)
    integers = _rounded(weight, step, most)
    return IntegerParameters(integers, round_half_up(bias / (in_scale * scale)), multiplier, shift, scale, near & (step > fine))


def unweighted(weight: torch.Tensor, rescale: Sequence[tuple[int, int]]) -> IntegerParameters:
    """Parameters of a layer without weights per channel, from the (multiplier, shift) of each channel."""
    multiplier, shift = torch.tensor(rescale, dtype=torch.int32).unbind(dim=1)
    none = torch.empty(0)
    return IntegerParameters(weight, torch.zeros(len(rescale)), multiplier, shift, none, none.bool())
