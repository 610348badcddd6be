"""Proofs that sums fit the accumulators, whatever the inputs."""

from dataclasses import replace

import numpy as np

from quiesce.spec.config import CoreConfig
from quiesce.sw.compiler.errors import CompileError
from quiesce.sw.format.layer import Layer
from quiesce.sw.format.network import Network

__all__ = ["change_sums_fit", "check_sums"]


def _without_bias(layer: Layer) -> Layer:
    """The hardware adds the bias behind the accumulators."""
    return layer if layer.bias is None else replace(layer, bias=np.zeros_like(layer.bias))


def _fit(low: int, high: int, config: CoreConfig) -> bool:
    limit = 1 << (config.acc_width - 1)
    return -limit <= low and high < limit


def check_sums(network: Network, layer: Layer, config: CoreConfig) -> None:
    """Prove that no partial sum of the layer can leave the accumulators.

    Raises
    ------
    CompileError
        One may.
    """
    low, high = (0, 255) if layer.op.maximum else network.accumulator_bounds(_without_bias(layer))
    if not _fit(low, high, config):
        raise CompileError(f"layer {layer.name!r}: sums reach {low}..{high}, beyond acc_width {config.acc_width}")


def change_sums_fit(network: Network, layer: Layer, config: CoreConfig) -> bool:
    """No partial sum of changes of the inputs, which reach up to twice as far as these, can leave the accumulators."""
    spans = [high - low for low, high in map(network.limits, layer.inputs)]
    low, high = layer.op.bounds(_without_bias(layer), [(-span, span) for span in spans])
    return _fit(low, high, config)
