"""Effectual multiplications, counted one by one in the integer arithmetic: the quantity of the core's counters."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from quiesce.sw.format.layer import Layer
from quiesce.sw.format.network import Network
from quiesce.sw.quant.forms import form_of
from quiesce.sw.quant.forward import quantized_forward

__all__ = ["effectual_macs", "layer_macs"]

Acts = npt.NDArray[np.int8]


def layer_macs(layer: Layer, *maps: torch.Tensor) -> torch.Tensor:
    """Multiplications of a layer with both operands nonzero and an output inside the map::

        sum over outputs and kernel positions of 1(activation != 0) 1(weight != 0)

    that is the layer applied to the masks of its operands. Pools have a weight of 1 in every window; sums and
    concatenations take each nonzero once.

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
    form, (_, chans, rows, cols) = form_of(layer.op), masks[0].shape
    weight = None if layer.weight is None else form.torch_weight(layer, layer.weight != 0, (rows, cols, chans)).double()
    return form.count(layer, masks, weight).flatten(1).sum(dim=1).long()


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
