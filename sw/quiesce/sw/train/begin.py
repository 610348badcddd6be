"""Weights of a quantised network that a training run begins with."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import fx, nn

from quiesce import models
from quiesce.sw.format.layer import Layer
from quiesce.sw.format.network import Network
from quiesce.sw.quant.forms import form_of
from quiesce.sw.train.errors import CheckpointError

__all__ = ["begin_with", "find_start"]


def find_start(text: str) -> Network:
    """The shipped network of this name, or that of the file at this path.

    Raises
    ------
    CheckpointError
        Neither.
    FormatError
        The file is damaged.
    """
    if network := models.find(text):
        return network
    raise CheckpointError(f"start.network: {text!r} is neither a shipped network nor a file")


def begin_with(module: nn.Module, network: Network, images: torch.Tensor) -> None:
    """Give a module the real weights that the integers of a network of its architecture stand for.

    In evaluation mode it then computes the network without rounding of activations. Batch normalisation, which the integers have
    absorbed, becomes the network's bias: gain and offset undo the statistics of ``images``, which thus stay those of training::

        mean, var = of the convolution's outputs       gain = sqrt(var + eps)       offset = mean + bias

    Parameters
    ----------
    module : nn.Module
        Layers have the names of the network's; fixed weights keep their values.
    network : Network
        Without thresholds and winners.
    images : Tensor of float, shape (N, C, H, W)
        Training images.

    Raises
    ------
    CheckpointError
        The network does not fit the module.
    """
    shapes = network.shapes()
    norms = _norms(module)
    weighted = {name: layer for name, layer in module.named_modules() if isinstance(layer, (nn.Conv2d, nn.Linear))}
    given = {layer.name: layer for layer in network.layers if layer.op.weighted}
    where = f"start.network: {network.name!r} does not fit {type(module).__name__}"
    if differing := sorted(weighted.keys() ^ given.keys()):
        raise CheckpointError(f"{where}: {differing[0]} is not in both")
    for layer in network.layers:
        if layer.threshold or layer.winners:
            raise CheckpointError(f"{where}: layer {layer.name!r} has {'a threshold' if layer.threshold else 'winners'}")
    with torch.no_grad():
        for name, target in weighted.items():
            weight, bias = _real(given[name], shapes[given[name].inputs[0]], network.scale(given[name].inputs[0]))
            if target.weight.shape != weight.shape:
                raise CheckpointError(f"{where}: {name} has weights of {tuple(weight.shape)}, not {tuple(target.weight.shape)}")
            if not target.weight.requires_grad:
                continue
            target.weight.copy_(weight)
            receiver = norms.get(name, target)
            if receiver.bias is None:
                raise CheckpointError(f"{where}: {name} has a bias")
            receiver.bias.copy_(bias)
            if name in norms:
                _reset(norms[name])
        _normalise(module, list(norms.values()), images)


def _real(layer: Layer, shape: tuple[int, int, int], in_scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights as the module has them and bias of a layer that reads a map of this shape and scale."""
    assert layer.weight is not None
    assert layer.bias is not None
    if layer.weight_scale is None:
        raise CheckpointError(f"start.network: layer {layer.name!r} has no weight_scale")
    scale = layer.weight_scale.astype(np.float64)
    weight = layer.weight * scale.reshape(-1, *(1,) * (layer.weight.ndim - 1))
    real = form_of(layer.op).torch_weight(layer, weight, shape)
    return real.float(), torch.from_numpy(layer.bias * scale * in_scale).float()


def _norms(module: nn.Module) -> dict[str, nn.BatchNorm2d]:
    """The batch normalisation behind each convolution that has one."""
    graph = fx.Tracer().trace(module)
    found = {}
    for node in graph.nodes:
        norm = module.get_submodule(str(node.target)) if node.op == "call_module" else None
        if isinstance(norm, nn.BatchNorm2d):
            found[str(node.args[0].target)] = norm
    return found


def _reset(norm: nn.BatchNorm2d) -> None:
    """Make it the addition of its offset."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.zero_()
    norm.running_var.fill_(1 - norm.eps)
    norm.weight.fill_(1)


@contextmanager
def _statistics(norms: list[nn.BatchNorm2d]) -> Iterator[list[tuple[torch.Tensor, torch.Tensor]]]:
    """Collect mean and variance of each one's input in the order in which they are computed."""
    found: list[tuple[torch.Tensor, torch.Tensor]] = []

    def hook(norm: nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        var, mean = torch.var_mean(args[0], dim=(0, 2, 3))
        found.append((mean, var))

    handles = [norm.register_forward_pre_hook(hook) for norm in norms]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _normalise(module: nn.Module, norms: list[nn.BatchNorm2d], images: torch.Tensor) -> None:
    """Give batch normalisation the statistics of images, without a change of what it computes in evaluation mode."""
    was_training = module.training
    module.eval()
    with _statistics(norms) as found:
        module(images)
    module.train(was_training)
    for norm, (mean, var) in zip(norms, found, strict=True):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(var)
        norm.weight.copy_((var + norm.eps).sqrt())
        norm.bias.add_(mean)
