"""What is lost where sums have to fit the accumulators, and weights of maps 8 bits: made up for as far as possible, and said."""

import warnings
from collections.abc import Mapping

import torch

from quiesce.sw.format.network import INPUT
from quiesce.sw.format.ops import LINEAR
from quiesce.sw.quant.errors import PrecisionWarning, QuantizeError
from quiesce.sw.quant.integers import IntegerParameters, sum_weights
from quiesce.sw.quant.plan import NEGLIGIBLE, FloatLayer, Plan

__all__ = ["bias_corrections", "check_concatenation", "check_sum", "check_weights"]

_WARNING_DB = 20.0
_ERROR_DB = 6.0
_FAR = 64.0
"""Range of a map that is added, in ranges of the sum: half a step of it is then a quarter of what the sum can tell apart."""
_FEW_STEPS = 4
"""Steps of a joined map that the largest value of one of its maps takes."""
_WRONG = 1 / 32
"""Error of a sum, in ranges of it: 30 dB."""


@torch.no_grad()
def bias_corrections(plan: Plan, inputs: torch.Tensor, integers: Mapping[str, IntegerParameters]) -> dict[str, torch.Tensor]:
    """What the rounding of weights takes from the mean outputs of channels of coarser steps than their bits allow::

        correction[o] = sum over inputs i of (weight[o, i] - weight_scale[o] integer[o, i]) mean(x[i])      borders neglected

    Source: bias correction with calibration inputs, Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias
    Correction", ICCV 2019, section 4.2.

    Parameters
    ----------
    inputs : Tensor of float, shape (N, C, H, W)
        Calibration inputs.
    integers : mapping of str to IntegerParameters
        Of layers with weights, by name.

    Returns
    -------
    dict of str to Tensor of float32, shape (cout,)
        Of layers that have such channels; 0 for their other channels.
    """
    coarse = [layer for layer in plan.layers if layer.name in integers and bool(integers[layer.name].coarser.any())]
    if not coarse:
        return {}
    means = {INPUT: inputs.mean(dim=0)} | {layer.name: acts.mean(dim=0) for layer, acts in plan.forward(inputs)}
    return {layer.name: _correction(layer, means[layer.sources[0]], integers[layer.name]) for layer in coarse}


def _correction(layer: FloatLayer, mean: torch.Tensor, integers: IntegerParameters) -> torch.Tensor:
    error = _error(layer, integers) * integers.coarser[:, None]
    if layer.op is LINEAR:
        return (error @ mean.flatten().double()).float()
    of_chan = error.reshape(layer.groups, layer.cout // layer.groups, -1, layer.kernel[0] * layer.kernel[1]).sum(dim=3)
    return (of_chan @ mean.double().mean(dim=(1, 2)).reshape(layer.groups, -1, 1)).flatten().float()


def _error(layer: FloatLayer, integers: IntegerParameters) -> torch.Tensor:
    """Real weights less what their integers stand for, (cout, n)."""
    assert layer.weight is not None
    return layer.weight.double().flatten(1) - integers.weight.flatten(1) * integers.weight_scale[:, None].double()


@torch.no_grad()
def check_weights(layer: FloatLayer, integers: IntegerParameters, acc_width: int) -> None:
    """Compare the real weights of a layer with what its integers stand for, in channels of coarser steps than their bits allow.

    Parameters
    ----------
    layer : FloatLayer
        With weights.
    acc_width : int
        Bits of the accumulators, for the message.

    Warns
    -----
    PrecisionWarning
        The error is less than 20 dB below the weights.

    Raises
    ------
    QuantizeError
        The error is less than 6 dB below the weights, such as where all of them have become zero.
    """
    assert layer.weight is not None
    if not integers.coarser.any():
        return
    real = layer.weight.flatten(1)[integers.coarser].double()
    ratio = float(real.square().sum() / _error(layer, integers)[integers.coarser].square().sum())
    if ratio >= 10 ** (_WARNING_DB / 10):
        return
    lost = (
        f"{layer.name}: so that sums of {real.shape[1]:,} products fit accumulators of {acc_width} bits, weights have at most "
        f"{int(integers.weight.abs().max())} steps and differ from the real ones by {ratio**-0.5:.0%} (root mean square): take a "
        "larger acc_width (up to 32) in quantisation and core, or fewer inputs"
    )
    if ratio < 10 ** (_ERROR_DB / 10):
        raise QuantizeError(lost)
    warnings.warn(lost, PrecisionWarning, stacklevel=5)


def check_sum(layer: FloatLayer, scales: Mapping[str, float], most: Mapping[str, int]) -> None:
    """Refuse a sum of maps, not always zero, that its integers cannot tell apart from another one.

    Parameters
    ----------
    layer : FloatLayer
        Of kind ADD.
    scales, most : mapping by name of the layer or "input"
        Real value of one step of each map, and its largest integer.

    Raises
    ------
    QuantizeError
        The range of a map is more than 64 times that of the sum, or the integer weights of the maps are wrong by more than 1/32
        of the sum's range.
    """
    in_scales, out_scale = tuple(scales[source] for source in layer.sources), scales[layer.name]
    ranges = [scale * most[source] for source, scale in zip(layer.sources, in_scales, strict=True)]
    out_range = out_scale * most[layer.name]
    weights = sum_weights(in_scales, out_scale)
    unit = max(in_scales) / max(weights)
    wrong = sum(abs(w * unit / scale - 1) * reach for w, scale, reach in zip(weights, in_scales, ranges, strict=True))
    if max(ranges) > _FAR * out_range or wrong > _WRONG * out_range:
        reaches = ", ".join(f"{source} {reach:.3g}" for source, reach in zip(layer.sources, ranges, strict=True))
        raise QuantizeError(
            f"{layer.name}: it adds maps that reach {reaches} and keeps {out_range:.3g} of the sum, too little for their integer "
            "steps: bring the maps to similar magnitudes, such as by a ReLU or ReLU6 before the sum"
        )


def check_concatenation(layer: FloatLayer, acts: torch.Tensor, scale: float) -> None:
    """Say where the channels of a map have next to no steps once they share a scale with those of another one.

    Parameters
    ----------
    layer : FloatLayer
        Of kind CONCAT.
    acts : Tensor, shape (N, C, H, W)
        Its outputs for the calibration inputs.
    scale : float
        Real value of one step of the output.

    Warns
    -----
    PrecisionWarning
        The largest value of a map is less than 4 steps, but not 0.
    """
    parts = torch.split(acts, [shape[0] for shape in layer.in_shapes], dim=1)
    for source, part in zip(layer.sources, parts, strict=True):
        peak = float(part.abs().max())
        if NEGLIGIBLE < peak < _FEW_STEPS * scale:
            warnings.warn(
                f"{layer.name}: {source} reaches {peak:.3g}, only {peak / scale:.1f} steps of the maps joined: bring them to "
                "similar magnitudes",
                PrecisionWarning,
                stacklevel=5,
            )
