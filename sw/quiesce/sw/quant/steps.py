"""Learned steps per channel of a traced network, moved into its weights: a map of integers has one scale."""

import torch

from quiesce.sw.format.ops import CONV, LINEAR
from quiesce.sw.quant.errors import UnsupportedOperationError
from quiesce.sw.quant.plan import FloatLayer, Plan

__all__ = ["fold_steps"]


def fold_steps(plan: Plan) -> None:
    """Make all steps of each map the largest of them, by weights, so that the network computes the same::

        g[c] = max q / q[c]        row c of the layer's weights and bias  *= g[c]
                                   what its readers have for channel c    /= g[c]

    Average and maximum pools pass ``g`` on to their readers.

    Parameters
    ----------
    plan : Plan
        Layers with ``step`` of (cout,) have one number afterwards.

    Raises
    ------
    UnsupportedOperationError
        Steps differ where the layer has no weights, limits or compares its outputs, or yields the network's output, or where
        maps are joined.
    """
    gains: dict[str, torch.Tensor] = {}
    for layer in plan.layers:
        found = [gains[source] for source in layer.sources if source in gains]
        if found and layer.op in (CONV, LINEAR) and not layer.keeps_scale:
            _unscale_inputs(layer, found[0])
        elif found and not layer.op.joins and layer.weight is None:
            gains[layer.name] = found[0]
        elif found:
            raise _refused(layer, "reads a map of them")
        if layer.step is not None and layer.step.ndim:
            if bool((layer.step != layer.step[0]).any()):
                gains[layer.name] = _scale_outputs(layer)
            layer.step = layer.step.max()
    if plan.output in gains:
        raise UnsupportedOperationError(f"{plan.output}: steps per channel at the output of the network: train one step for it")


def _scale_outputs(layer: FloatLayer) -> torch.Tensor:
    assert layer.step is not None
    if layer.weight is None or layer.bias is None or layer.ceiling is not None or layer.winners or layer.threshold:
        raise _refused(layer, "has no weights that could take them, or limits or compares its outputs")
    gain = layer.step.max() / layer.step
    layer.weight = layer.weight * gain.reshape(-1, *(1,) * (layer.weight.ndim - 1))
    layer.bias = layer.bias * gain
    return gain


def _unscale_inputs(layer: FloatLayer, gain: torch.Tensor) -> None:
    assert layer.weight is not None
    if layer.op is LINEAR:
        layer.weight = (layer.weight.reshape(layer.cout, len(gain), -1) / gain[:, None]).flatten(1)
    else:
        # Output channels of a group see the channels of that group.
        of_group = gain.reshape(layer.groups, -1).repeat_interleave(layer.cout // layer.groups, dim=0)
        layer.weight = layer.weight / of_group[:, :, None, None]


def _refused(layer: FloatLayer, why: str) -> UnsupportedOperationError:
    return UnsupportedOperationError(f"{layer.name}: steps per channel: the layer {why}: train one step per layer")
