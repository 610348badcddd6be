"""What is lost where sums have to fit the accumulators: made up for as far as possible, and said."""

import warnings
from collections.abc import Mapping

import torch

from quiesce.sw.format.network import INPUT
from quiesce.sw.quant.errors import PrecisionWarning, QuantizeError
from quiesce.sw.quant.forms import WeightedForm
from quiesce.sw.quant.integers import IntegerParameters
from quiesce.sw.quant.plan import FloatLayer, Plan

__all__ = ["bias_corrections", "check_weights"]

_WARNING_DB = 20.0
_ERROR_DB = 6.0


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
    assert isinstance(layer.form, WeightedForm)
    return layer.form.mean_change(layer, error, mean).float()


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
