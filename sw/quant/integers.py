"""Integer parameters of a layer from its real ones: the one place where weights are rounded."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

import torch

from quiesce.sw.format.checks import ACT_MAX, largest
from quiesce.sw.format.layer import Kind
from quiesce.sw.format.requantize import choose_multiplier
from quiesce.sw.quant.straight_through import clip, round_half_up

__all__ = ["IntegerParameters", "integer_parameters", "joint_parameters", "pool_parameters"]

_MAX_BIAS = 1 << 20
"""Largest bias, in accumulator units: small enough for accumulators of 24 bits, 2^-20 of it being far below one output step."""
_MAX_SUM = (1 << 23) - 1 - _MAX_BIAS
"""Largest sum of products, whatever the activations: with the bias it fits an accumulator of 24 bits."""
_LIMIT_STEPS = 40
_MIN_FACTOR = 2.0**-24
"""Least requantisation factor: a channel of smaller weights contributes nothing that shows in an output step."""


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
    """

    weight: torch.Tensor
    bias: torch.Tensor
    multiplier: torch.Tensor
    shift: torch.Tensor
    weight_scale: torch.Tensor


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


def _least_scale(weight: torch.Tensor, in_range: tuple[int, int]) -> torch.Tensor:
    """Scale per output channel of (cout, n) weights with which no sum of products exceeds ``_MAX_SUM``, rounding included."""
    magnitude, total = weight.abs().sum(dim=1, dtype=torch.float64), weight.sum(dim=1, dtype=torch.float64)
    positive, negative = (magnitude + total) / 2, (magnitude - total) / 2
    high, low = in_range[1], -in_range[0]
    worst = torch.maximum(positive * high + negative * low, negative * high + positive * low)
    rounding = weight.shape[1] * max(high, low) // 2
    return worst / max(_MAX_SUM - rounding, _MAX_SUM // 4)


def integer_parameters(
    weight: torch.Tensor,
    bias: torch.Tensor,
    in_scale: float,
    out_scale: float,
    bits: int = 8,
    in_range: tuple[int, int] = (0, ACT_MAX),
) -> IntegerParameters:
    """Round real weights and biases of a layer, with one weight scale per output channel::

        weight_scale[o] = limit[o] / 127                                  limit[o] = max |weight[o]|
        integer weight  = clip(floor(weight / weight_scale + 1/2), -127, 127)
        integer bias    = floor(bias / (in_scale weight_scale) + 1/2)
        multiplier[o] / 2^shift[o] ~ in_scale weight_scale[o] / out_scale

    With 4 bits 7 stands for 127, with 2 bits 1, and the limit is the one of least squared error. Gradients pass clipped weights
    unchanged. Where a channel's weights are (nearly) all zero the scale is larger, so that bias and multiplier stay in range; and
    where so many are large that some activations would overflow an accumulator of 24 bits, so that none do.

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

    Raises
    ------
    ScaleError
        A weight is not finite, or a channel's rescale is not within 2^-48..65535.
    """
    most = largest(bits)
    with torch.no_grad():
        limits = _weight_limits(weight, bits).double()
        floor_bias = bias.abs().double() / (in_scale * _MAX_BIAS)
        least = torch.maximum(floor_bias, _least_scale(weight.flatten(1), in_range))
        scale = torch.maximum(limits / most, least).clamp(min=_MIN_FACTOR * out_scale / in_scale).float()
        chosen = [choose_multiplier(in_scale * channel / out_scale) for channel in scale.tolist()]
        multiplier, shift = torch.tensor(chosen, dtype=torch.int32).unbind(dim=1)
    per_channel = scale.reshape(-1, *(1,) * (weight.ndim - 1))
    integers = clip(round_half_up(weight / per_channel), most)
    return IntegerParameters(integers, round_half_up(bias / (in_scale * scale)), multiplier, shift, scale)


def _unweighted(weight: torch.Tensor, rescale: Sequence[tuple[int, int]]) -> IntegerParameters:
    """Parameters of a layer without weights per channel, from the (multiplier, shift) of each channel."""
    multiplier, shift = torch.tensor(rescale, dtype=torch.int32).unbind(dim=1)
    return IntegerParameters(weight, torch.zeros(len(rescale)), multiplier, shift, torch.empty(0))


def pool_parameters(cout: int, multiplier: int, shift: int) -> IntegerParameters:
    """Parameters of a pool, the same for all ``cout`` channels."""
    return _unweighted(torch.empty(0), [(multiplier, shift)] * cout)


def joint_parameters(kind: Kind, in_scales: Sequence[float], in_chans: Sequence[int], out_scale: float) -> IntegerParameters:
    """Parameters of ADD and CONCAT, whose inputs may have different scales::

        ADD:     weight[i] = max(1, floor(127 in_scale[i] / max in_scale + 1/2))
                 multiplier / 2^shift ~ max in_scale / (127 out_scale)
        CONCAT:  multiplier[o] / 2^shift[o] ~ in_scale / out_scale   of the input that channel o comes from

    Parameters
    ----------
    kind : Kind
        ADD or CONCAT.
    in_scales : sequence of float
        Real value of one step of each input.
    in_chans : sequence of int
        Channels of each input.
    out_scale : float
        Real value of one step of the output.

    Raises
    ------
    ScaleError
        A rescale is not within 2^-48..65535.
    """
    if kind is Kind.CONCAT:
        chosen = [choose_multiplier(in_scale / out_scale) for in_scale in in_scales]
        return _unweighted(torch.empty(0), [pair for pair, chans in zip(chosen, in_chans, strict=True) for _ in range(chans)])
    coarsest = max(in_scales)
    weight = [max(1.0, floor(ACT_MAX * in_scale / coarsest + 0.5)) for in_scale in in_scales]
    return _unweighted(torch.tensor(weight), [choose_multiplier(coarsest / (ACT_MAX * out_scale))] * in_chans[0])
