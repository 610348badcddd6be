"""Post-training quantisation of torch modules."""

from collections.abc import Mapping

import torch
from torch import nn

from quiesce.sw.format.network import Network
from quiesce.sw.quant.calibrate import Calibration
from quiesce.sw.quant.delta_search import DeltaSearch
from quiesce.sw.quant.integers import ACC_WIDTH
from quiesce.sw.quant.qat import prepare
from quiesce.sw.quant.widths import Widths

__all__ = ["quantize"]


def quantize(
    module: nn.Module,
    calibration_inputs: torch.Tensor,
    *,
    name: str = "network",
    input_scale: float | None = None,
    calibration: Calibration | None = None,
    thresholds: Mapping[str, int] | None = None,
    widths: Widths | None = None,
    acc_width: int = ACC_WIDTH,
    delta: DeltaSearch | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Network:
    """Turn a trained module into a network of signed weights (scales per output channel) and activations (per map).

    Convolutions (any stride, zero padding, dilation, groups), linear layers, batch normalisation after either, ReLU, ReLU6 and
    ``FatReLU`` (before or after maximum pooling), maximum and average pooling, local or global, addition of maps and
    concatenation of their channels, every n-th row and column of a map, zeros as further channels, flattening, dropout, identity.

    Parameters
    ----------
    module : nn.Module
        Not modified; evaluated in evaluation mode.
    calibration_inputs : Tensor of float, shape (N, C, H, W) or (N, F)
        Typical inputs, some hundreds: the largest activations that they cause set the scales. If none is negative the network
        accepts no negative inputs.
    name : str
        Of the network.
    input_scale : float or None
        Real value of one step of the input; by default the largest calibration input is 127 steps.
    calibration : Calibration or None
        How limits follow from activations; by default MAX for maps of 8 bits and MSE for narrower ones.
    thresholds : mapping of str to int or None
        Smallest output kept, 0..127 steps, by layer name (the path of its module); only for layers with ReLU.
    widths : Widths or None
        Tensors of fewer bits than 8; a map whose values are those of another one has the width of that.
    acc_width : int
        Bits of the core's accumulators, 16..32, which all sums of weighted layers fit; the compiler proves it again. Layers of
        so many large weights that they would not have larger steps; ``PrecisionWarning`` where these are less than 20 dB
        (a tenth of the amplitude) below the weights.
    delta : DeltaSearch or None
        For streams: find delta thresholds on sequences.
    metadata : mapping of str to str or None
        Kept in the network.

    Returns
    -------
    Network
        Its output is a map even where the module flattens it at the end.

    Raises
    ------
    UnsupportedOperationError
        The module contains something else; the message names the operation and where it is.
    CalibrationError
        The inputs, or the sequences of ``delta``, do not fit the module or are not finite.
    QuantizeError
        The module cannot be copied, or does not compute what its traced layers compute; a layer's weights would have steps less
        than 6 dB below them; or a width is out of range.
    FormatError
        The result is no valid network, for example because a weight is not finite.
    """
    prepared = prepare(
        module,
        calibration_inputs,
        input_scale=input_scale,
        calibration=calibration,
        thresholds=thresholds,
        widths=widths,
        acc_width=acc_width,
    )
    network = prepared.to_network(name, metadata)
    return network if delta is None else delta.apply(network)
