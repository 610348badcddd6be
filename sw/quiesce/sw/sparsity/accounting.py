"""Effectual multiplications, counted one by one in the integer arithmetic: the quantity of the core's counters."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F

from quiesce.sw.format.layer import Layer
from quiesce.sw.format.network import Network
from quiesce.sw.format.ops import LINEAR
from quiesce.sw.quant.forward import quantized_forward

__all__ = ["effectual_macs", "layer_macs"]

Acts = npt.NDArray[np.int8]


def layer_macs(layer: Layer, *maps: torch.Tensor) -> torch.Tensor:
    """Multiplications of a layer with both operands nonzero and an output inside the map::

        sum over outputs and kernel positions of 1(activation != 0) 1(weight != 0)

    that is the layer applied to the masks of its operands. Pools have a weight of 1 in every window; ADD and CONCAT take each
    nonzero once.

    Parameters
    ----------
    layer : Layer
    *maps : Tensor, shape (N, chans, rows, cols)
        Its inputs, of any type.

    Returns
    -------
    Tensor of int64, shape (N,)
    """
    masks = [(acts != 0).double() for acts in maps]
    if layer.op.joins:
        return torch.stack([mask.flatten(1).sum(dim=1) for mask in masks]).sum(dim=0).long()
    (mask,) = masks
    if layer.op is LINEAR:
        flat = mask.permute(0, 2, 3, 1).flatten(1)
        return F.linear(flat, _mask_of(layer)).sum(dim=1).long()
    if layer.weight is None:
        weight, groups = torch.ones(mask.shape[1], 1, *layer.kernel, dtype=torch.float64), mask.shape[1]
    else:
        weight, groups = _mask_of(layer).permute(0, 3, 1, 2), layer.groups
    top, bottom, left, right = layer.pad
    counts = F.conv2d(F.pad(mask, (left, right, top, bottom)), weight, None, layer.stride, 0, layer.dilation, groups)
    return counts.flatten(1).sum(dim=1).long()


def _mask_of(layer: Layer) -> torch.Tensor:
    assert layer.weight is not None
    return torch.from_numpy(layer.weight != 0).double()


def effectual_macs(network: Network, images: Acts, *, batch: int = 256) -> dict[str, npt.NDArray[np.int64]]:
    """Effectual MACs of each layer for each image, by name of the layer.

    Equal to ``LayerCounts.effectual_macs`` of ``quiesce.sw.reference.run``, which counts by fan-outs instead, and to the core's
    counters.

    Source: "multiplicative FLOPs" of Yu and Tian, arXiv 2405.19652, 2024.

    Parameters
    ----------
    network : Network
    images : ndarray of int8, shape (N, rows, cols, chans)
        Within the range of the network's input.
    batch : int
        Images at a time.
    """
    module = quantized_forward(network)
    counted: dict[str, list[torch.Tensor]] = {layer.name: [] for layer in network.layers}

    def watch(layer: Layer) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def hook(step: nn.Module, maps: tuple[Any, ...]) -> None:
            counted[layer.name].append(layer_macs(layer, *maps))

        return hook

    for step, layer in zip(module.layers, network.layers, strict=True):
        step.register_forward_pre_hook(watch(layer))
    for part in torch.split(torch.from_numpy(images), batch):
        module(part)
    return {name: torch.cat(parts).numpy() if parts else np.zeros(0, np.int64) for name, parts in counted.items()}
