"""Torch forms of convolutions and linear layers."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F

from quiesce.sw.format.geometry import MapShape
from quiesce.sw.format.layer import Layer
from quiesce.sw.format.ops import CONV, LINEAR
from quiesce.sw.quant.errors import UnsupportedOperationError
from quiesce.sw.quant.forms.base import Call, Geometry, TorchForm
from quiesce.sw.quant.forms.settings import conv_pad, pair
from quiesce.sw.quant.integers import IntegerParameters

if TYPE_CHECKING:
    from quiesce.sw.quant.plan import FloatLayer

__all__ = ["ConvForm", "LinearForm", "WeightedForm"]


class WeightedForm(TorchForm):
    """Operators with trained weights per output channel."""

    def take(self, layer: "FloatLayer", module: nn.Conv2d | nn.Linear) -> None:
        """Weights and bias of a module, zeros if it has no bias."""
        layer.weight = module.weight.detach().float().clone()
        layer.bias = torch.zeros(len(module.weight)) if module.bias is None else module.bias.detach().float().clone()

    def out_chans(self, layer: "FloatLayer") -> int:
        assert layer.weight is not None
        return layer.weight.shape[0]

    def negative(self, lows: Sequence[int]) -> bool:
        return True

    @abstractmethod
    def mean_change(self, layer: "FloatLayer", change: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        """What a ``change`` (cout, n) of the weights adds to the mean output of each channel, borders neglected.

        Parameters
        ----------
        mean : Tensor, shape (C, H, W)
            Of the inputs.

        Returns
        -------
        Tensor of float64, shape (cout,)
        """


class ConvForm(WeightedForm):
    """Weights (cout, cin / groups, kh, kw)."""

    op = CONV
    calls = {nn.Conv2d: "conv"}

    def accumulate(self, layer: Geometry, maps: Sequence[torch.Tensor], weight: torch.Tensor | None) -> torch.Tensor:
        (acts,) = maps
        assert weight is not None
        top, bottom, left, right = layer.pad
        even = (top, left) == (bottom, right)
        padded = F.pad(acts, (left, right, top, bottom)) if any(layer.pad) and not even else acts
        return F.conv2d(padded, weight, None, layer.stride, (top, left) if even else 0, layer.dilation, layer.groups)

    def trace(self, layer: "FloatLayer", call: Call) -> None:
        module = call.module
        assert isinstance(module, nn.Conv2d)
        layer.kernel, layer.stride, layer.dilation = map(pair, (module.kernel_size, module.stride, module.dilation))
        layer.pad, layer.groups = conv_pad(module), module.groups
        self.take(layer, module)

    def fan_out(self, layer: "FloatLayer") -> float:
        (kh, kw), (sh, sw) = layer.kernel, layer.stride
        return kh * kw / (sh * sw) * layer.cout / layer.groups

    def module_fan_out(self, module: nn.Module) -> float | None:
        assert isinstance(module, nn.Conv2d)
        kh, kw, sh, sw = *module.kernel_size, *module.stride
        return kh * kw * module.out_channels / (module.groups * sh * sw)

    def integer_weight(self, layer: "FloatLayer", integers: IntegerParameters) -> torch.Tensor | None:
        return integers.weight.detach().permute(0, 2, 3, 1)

    def torch_weight(self, layer: Layer, weight: npt.NDArray[Any], shape: MapShape) -> torch.Tensor:
        return super().torch_weight(layer, weight, shape).permute(0, 3, 1, 2)

    def mean_change(self, layer: "FloatLayer", change: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        of_chan = change.reshape(layer.groups, layer.cout // layer.groups, -1, layer.kernel[0] * layer.kernel[1]).sum(dim=3)
        return (of_chan @ mean.double().mean(dim=(1, 2)).reshape(layer.groups, -1, 1)).flatten()


class LinearForm(WeightedForm):
    """Weights (cout, cin) over the input flattened in (chan, row, col) order."""

    op = LINEAR
    calls = {nn.Linear: "linear"}

    def accumulate(self, layer: Geometry, maps: Sequence[torch.Tensor], weight: torch.Tensor | None) -> torch.Tensor:
        (acts,) = maps
        assert weight is not None
        return F.linear(acts.flatten(1), weight)[:, :, None, None]

    def trace(self, layer: "FloatLayer", call: Call) -> None:
        if call.n_axes != (2,):
            raise UnsupportedOperationError("a linear layer over a map that is not flattened")
        assert isinstance(call.module, nn.Linear)
        self.take(layer, call.module)

    def fan_out(self, layer: "FloatLayer") -> float:
        return float(layer.cout)

    def module_fan_out(self, module: nn.Module) -> float | None:
        assert isinstance(module, nn.Linear)
        return float(module.out_features)

    def integer_weight(self, layer: "FloatLayer", integers: IntegerParameters) -> torch.Tensor | None:
        return integers.weight.detach().reshape(-1, *layer.in_shape).permute(0, 2, 3, 1).flatten(1)

    def torch_weight(self, layer: Layer, weight: npt.NDArray[Any], shape: MapShape) -> torch.Tensor:
        by_map = super().torch_weight(layer, weight, shape).reshape(-1, *shape)
        return by_map.permute(0, 3, 1, 2).flatten(1)

    def mean_change(self, layer: "FloatLayer", change: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        return change @ mean.flatten().double()
