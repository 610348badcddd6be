"""Integer parameters of a layer from its real ones: the one place where weights are rounded."""

from dataclasses import dataclass

import torch

from quiesce.sw.format.checks import ACT_MAX
from quiesce.sw.format.requantize import choose_multiplier
from quiesce.sw.quant.straight_through import round_half_up

__all__ = ["IntegerParameters", "integer_parameters"]

_MAX_BIAS = 1 << 20
"""Largest bias, in accumulator units: small enough for accumulators of 24 bits, 2^-20 of it being far below one output step."""
_MIN_FACTOR = 2.0**-24
"""Least requantisation factor: a channel of smaller weights contributes nothing that shows in an output step."""


@dataclass(frozen=True, eq=False)
class IntegerParameters:
    """What the integer arithmetic needs of a layer with weights.

    Parameters
    ----------
    weight : Tensor of float32
        Integers -127..127, shape as the real weights; gradients pass to these.
    bias : Tensor of float32, shape (cout,)
        Integers in accumulator units; gradients pass to the real bias.
    multiplier, shift : Tensor of int32, shape (cout,)
        Requantisation.
    weight_scale : Tensor of float32, shape (cout,)
        Real value of one weight step.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    multiplier: torch.Tensor
    shift: torch.Tensor
    weight_scale: torch.Tensor


def integer_parameters(weight: torch.Tensor, bias: torch.Tensor, in_scale: float, out_scale: float) -> IntegerParameters:
    """Round real weights and biases of a layer, with one weight scale per output channel::

        weight_scale[o] = max |weight[o]| / 127
        integer weight  = floor(weight / weight_scale + 1/2)
        integer bias    = floor(bias / (in_scale weight_scale) + 1/2)
        multiplier[o] / 2^shift[o] ~ in_scale weight_scale[o] / out_scale

    Where a channel's weights are (nearly) all zero the scale is larger, so that bias and multiplier stay in range.

    Parameters
    ----------
    weight : Tensor of float32, shape (cout, ...)
        Finite.
    bias : Tensor of float32, shape (cout,)
        Finite.
    in_scale, out_scale : float
        Real value of one step of input and output.

    Raises
    ------
    ScaleError
        A weight is not finite, or a channel's rescale is not within 2^-48..65535.
    """
    with torch.no_grad():
        largest = weight.flatten(1).abs().amax(dim=1).double()
        floor_bias = bias.abs().double() / (in_scale * _MAX_BIAS)
        scale = torch.maximum(largest / ACT_MAX, floor_bias).clamp(min=_MIN_FACTOR * out_scale / in_scale).float()
        chosen = [choose_multiplier(in_scale * channel / out_scale) for channel in scale.tolist()]
        multiplier, shift = torch.tensor(chosen, dtype=torch.int32).unbind(dim=1)
    per_channel = scale.reshape(-1, *(1,) * (weight.ndim - 1))
    integers = round_half_up(weight / per_channel).clamp(-ACT_MAX, ACT_MAX)
    return IntegerParameters(integers, round_half_up(bias / (in_scale * scale)), multiplier, shift, scale)
