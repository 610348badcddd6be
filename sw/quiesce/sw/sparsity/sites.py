"""Where methods attach: the layers of a module, what work an event causes there, and taps on what flows in."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.utils.hooks import RemovableHandle

from quiesce.sw.quant.delta import DeltaActivation
from quiesce.sw.quant.fatrelu import FatReLU
from quiesce.sw.quant.forms import WeightedForm, form_of_module
from quiesce.sw.quant.qat import QatLayer
from quiesce.sw.sparsity.errors import MethodError

__all__ = [
    "LayerInput", "activation_layers", "fan_out", "is_integer", "layer_inputs", "needed", "plain_weight", "replaced_activations",
    "tap", "weight_layers", "working_layers",
]  # fmt: skip

_ACTIVATIONS = (nn.ReLU, nn.ReLU6, FatReLU, DeltaActivation)
_M = TypeVar("_M", bound=nn.Module)


@dataclass(frozen=True, eq=False)
class LayerInput:
    """What a layer got in one forward pass.

    Parameters
    ----------
    name : str
        Of the layer; of a further input of a layer ``name:1``, ``name:2`` and so on.
    fan_out : float
        Operations that one nonzero value causes, see ``fan_out``.
    steps : Tensor, shape (N, ...)
        Part of the graph of the pass: what the layer was called with, which several layers may read.
    scale : float
        Real value of one step: 1 except in integer modules.
    """

    name: str
    fan_out: float
    steps: torch.Tensor
    scale: float = 1.0

    @property
    def acts(self) -> torch.Tensor:
        """The input in real units."""
        return self.steps if self.scale == 1 else self.steps * self.scale


def _named(module: nn.Module, wanted: Callable[[nn.Module], bool], *, places: bool = False) -> Iterator[tuple[str, nn.Module]]:
    """Layers that are wanted by name, each once; with ``places`` once for each place that it stands in."""
    for path, layer in module.named_modules(remove_duplicate=not places):
        if wanted(layer):
            yield (layer.plan.name if isinstance(layer, QatLayer) else path), layer


def _works(layer: nn.Module) -> bool:
    form = form_of_module(layer)
    return isinstance(layer, QatLayer) or (form is not None and form.module_fan_out(layer) is not None)


def _select(found: dict[str, nn.Module], names: Sequence[str] | None) -> dict[str, nn.Module]:
    if names is None:
        return found
    if unknown := [name for name in names if name not in found]:
        raise MethodError(f"no layer {unknown[0]!r}; there are {', '.join(found) or 'none'}")
    return {name: found[name] for name in names}


def working_layers(module: nn.Module, names: Sequence[str] | None = None) -> dict[str, nn.Module]:
    """Layers in which an event causes work, by name: convolutions, linear layers, pools, and all layers of integer modules.

    Parameters
    ----------
    module : nn.Module
        Any module. Layers of an integer module have the names of the layers they were made from.
    names : sequence of str or None
        Only these; by default all.

    Raises
    ------
    MethodError
        There is no such layer.
    """
    return _select(dict(_named(module, _works)), names)


def weight_layers(module: nn.Module, names: Sequence[str] | None = None) -> dict[str, nn.Module]:
    """Convolutions and linear layers whose weights are trained, by name, also those of integer modules; as ``working_layers``.

    Weights may be parametrised or derived from other parameters before each pass, as ``torch.nn.utils.prune`` does: they can be
    read, but see ``plain_weight``.
    """
    return _select({name: layer for name, layer in _named(module, _may_have_weights) if _is_trained(layer)}, names)


def _may_have_weights(layer: nn.Module) -> bool:
    return isinstance(layer, QatLayer) or isinstance(form_of_module(layer), WeightedForm)


def _is_trained(layer: nn.Module) -> bool:
    if parametrize.is_parametrized(layer, "weight"):
        assert isinstance(layer.parametrizations, nn.ModuleDict)
        behind = list(layer.parametrizations["weight"].parameters())
    elif isinstance(layer.weight, nn.Parameter):
        behind = [layer.weight]
    else:
        behind = [value for name, value in layer.named_parameters(recurse=False) if name.startswith("weight_")]
    return any(parameter.requires_grad for parameter in behind)


def plain_weight(name: str, layer: nn.Module) -> nn.Parameter:
    """The weight of one of ``weight_layers``, which is to be changed or put under a mask.

    Raises
    ------
    MethodError
        It is derived from other parameters, so that a change would not last.
    """
    if parametrize.is_parametrized(layer, "weight"):
        raise MethodError(
            f"{name}: another method parametrises its weights, or torch does: detach it, or torch.nn.utils.parametrize."
            "remove_parametrizations first"
        )
    if not isinstance(layer.weight, nn.Parameter):
        raise MethodError(
            f"{name}: its weights are made from other parameters in every pass: torch.nn.utils.prune.remove, "
            "remove_weight_norm or remove_spectral_norm first"
        )
    return layer.weight


def needed(found: dict[str, _M], what: str) -> dict[str, _M]:
    """The layers that a method acts on.

    Raises
    ------
    MethodError
        There are none, so that the method would do nothing.
    """
    if not found:
        raise MethodError(f"there are no {what} to act on")
    return found


def is_integer(module: nn.Module) -> bool:
    """Whether it is a module of quantisation-aware training, or has one in it."""
    return any(isinstance(part, QatLayer) for part in module.modules())


def activation_layers(module: nn.Module, names: Sequence[str] | None = None) -> dict[str, nn.Module]:
    """Modules of ReLU, ReLU6, FATReLU and ``DeltaActivation``, by name; as ``working_layers``. Integer modules have none.

    A module that stands in several places, as a ReLU well may, has a name for each.
    """
    return _select(dict(_named(module, lambda layer: isinstance(layer, _ACTIVATIONS), places=True)), names)


def replaced_activations(
    module: nn.Module, names: Sequence[str] | None, kind: type[_M], make: Callable[[nn.Module], _M], feature: str
) -> dict[str, _M]:
    """Replace modules of ReLU, as ``activation_layers`` has them, by those of another kind; ReLU6 stays unless it is named.

    Parameters
    ----------
    make : callable
        From the module replaced to the new one; not called for those of the kind.
    feature : str
        What the new ones have, for the error.

    Raises
    ------
    MethodError
        A name is that of no activation, or of ReLU6.
    """
    replaced: dict[str, _M] = {}
    for name, layer in activation_layers(module, names).items():
        if isinstance(layer, nn.ReLU6):
            if names is not None:
                raise MethodError(f"{name}: ReLU6 cannot have {feature}")
            continue
        if isinstance(layer, DeltaActivation) and not isinstance(layer, kind):
            raise MethodError(f"{name}: an activation in whole steps cannot have {feature}")
        if not isinstance(layer, kind):
            layer = make(layer)
            path, _, own = name.rpartition(".")
            setattr(module.get_submodule(path), own, layer)
        replaced[name] = layer
    return replaced


def fan_out(layer: nn.Module) -> float:
    """Multiply-accumulate operations that one nonzero input of a layer causes, borders neglected.

    Convolution ``kh kw cout / (groups sh sw)``, linear layer ``cout``, pooling ``kh kw / (sh sw)``.

    Raises
    ------
    TypeError
        The layer is none of these.
    """
    if isinstance(layer, QatLayer):
        return layer.plan.fan_out
    form = form_of_module(layer)
    work = form.module_fan_out(layer) if form else None
    if work is None:
        raise TypeError(f"{type(layer).__name__} has no fan-out")
    return work


def tap(name: str, layer: nn.Module, take: Callable[[LayerInput], None]) -> RemovableHandle:
    """Have ``take`` called with each input of a layer, before each of its forward passes, until the handle is removed."""
    work = fan_out(layer)

    def hook(layer: nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        scales = layer.in_scales if isinstance(layer, QatLayer) else (1.0,)
        for index, (acts, scale) in enumerate(zip(args, scales, strict=True)):
            take(LayerInput(f"{name}:{index}" if index else name, work, acts, scale))

    # In front of hooks that replace inputs: what counts is what the layer was called with.
    return layer.register_forward_pre_hook(hook, prepend=True)


@contextmanager
def layer_inputs(module: nn.Module, names: Sequence[str] | None = None) -> Iterator[list[LayerInput]]:
    """Collect, while the context lasts, the inputs of ``working_layers`` in the order in which they are computed."""
    inputs: list[LayerInput] = []
    handles = [tap(name, layer, inputs.append) for name, layer in working_layers(module, names).items()]
    try:
        yield inputs
    finally:
        for handle in handles:
            handle.remove()
