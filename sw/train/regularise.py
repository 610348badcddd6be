"""Activation regularisers weighted by the work that an activation causes.

The penalty of a network is the work-weighted mean over all layer inputs::

    P = sum_l f_l R(x_l) / sum_l f_l n_l

with ``x_l`` the input of layer l (``n_l`` activations per image), ``R`` averaged over the images of the batch, and ``f_l`` the
fan-out, the multiply-accumulate operations that one event causes. ``P`` lies between 0 and 1 for ``hoyer`` and is in units of
the activations for ``l1``, so that its coefficient does not depend on the size of the network.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

from quiesce.sw.quant.qat import QatLayer

__all__ = ["REGULARISERS", "fan_out", "hoyer", "l1", "layer_inputs", "penalty"]

_EPSILON = 1e-6
_WORKING = (nn.Linear, nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, QatLayer)

LayerInput = tuple[float, torch.Tensor]
"""Fan-out of a layer and its input activations."""


def l1(acts: torch.Tensor) -> torch.Tensor:
    """``mean over images of sum |x|`` of activations (N, ...): a scalar. Its gradient is ``sign(x) / N``."""
    return acts.abs().sum() / len(acts)


def hoyer(acts: torch.Tensor) -> torch.Tensor:
    """``mean over images of (sum |x|)^2 / (sum x^2 + eps)`` of activations (N, ...): a scalar.

    A smooth count of nonzeros: it lies between 1 and their number, and scaling x does not change it (Yang, Wen and Li,
    "DeepHoyer", ICLR 2020).
    """
    flat = acts.flatten(1)
    return (flat.abs().sum(dim=1) ** 2 / ((flat**2).sum(dim=1) + _EPSILON)).mean()


REGULARISERS: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {"l1": l1, "hoyer": hoyer}


def fan_out(module: nn.Module) -> float:
    """Multiply-accumulate operations that one nonzero input of the module causes, borders neglected.

    Convolution ``kh kw cout / (groups sh sw)``, linear layer ``cout``, pooling ``kh kw / (sh sw)``.

    Raises
    ------
    TypeError
        The module is none of these.
    """
    if isinstance(module, QatLayer):
        return module.plan.fan_out
    if isinstance(module, nn.Linear):
        return float(module.out_features)
    if isinstance(module, nn.Conv2d):
        kh, kw, sh, sw = *module.kernel_size, *module.stride
        return kh * kw * module.out_channels / (module.groups * sh * sw)
    if isinstance(module, (nn.MaxPool2d, nn.AvgPool2d)):
        (kh, kw), (sh, sw) = _pair(module.kernel_size), _pair(module.stride)
        return kh * kw / (sh * sw)
    raise TypeError(f"{type(module).__name__} has no fan-out")


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


@contextmanager
def layer_inputs(module: nn.Module) -> Iterator[dict[str, LayerInput]]:
    """Collect, while the context lasts, fan-out and latest input (in real units) of each layer that does work, by name."""
    inputs: dict[str, LayerInput] = {}

    def tap(name: str) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], None]:
        def hook(layer: nn.Module, args: tuple[torch.Tensor, ...]) -> None:
            scales = layer.in_scales if isinstance(layer, QatLayer) else (1.0,)
            for index, (acts, scale) in enumerate(zip(args, scales, strict=True)):
                inputs[f"{name}:{index}" if index else name] = fan_out(layer), acts * scale

        return hook

    layers = [(name, layer) for name, layer in module.named_modules() if isinstance(layer, _WORKING)]
    handles = [layer.register_forward_pre_hook(tap(name)) for name, layer in layers]
    try:
        yield inputs
    finally:
        for handle in handles:
            handle.remove()


def penalty(inputs: Iterable[LayerInput], kind: str) -> torch.Tensor:
    """Work-weighted penalty of layer inputs, a scalar; inputs that no parameter influences do not take part.

    Parameters
    ----------
    inputs : iterable of (float, Tensor)
        Fan-out and input activations (N, ...) of each layer.
    kind : str
        A key of ``REGULARISERS``.
    """
    trained = [(weight, acts) for weight, acts in inputs if acts.requires_grad]
    work = sum(weight * acts[0].numel() for weight, acts in trained)
    return torch.stack([weight * REGULARISERS[kind](acts) for weight, acts in trained]).sum() / work
