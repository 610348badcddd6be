"""Torch forms of pools."""

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional as F

from quiesce.sw.format.ops import AVGPOOL, MAXPOOL
from quiesce.sw.format.requantize import choose_multiplier
from quiesce.sw.quant.errors import UnsupportedOperationError
from quiesce.sw.quant.forms.base import Call, Geometry, TorchForm
from quiesce.sw.quant.forms.settings import pair
from quiesce.sw.quant.integers import IntegerParameters, unweighted

if TYPE_CHECKING:
    from quiesce.sw.quant.plan import FloatLayer

__all__ = ["AvgPoolForm", "MaxPoolForm", "PoolForm"]


class PoolForm(TorchForm):
    """Windows over single channels.

    Modules with the attributes ``kernel_size``, ``stride`` and ``padding`` need no ``trace`` of their own.
    """

    def trace(self, layer: "FloatLayer", call: Call) -> None:
        if call.n_axes != (4,):
            raise UnsupportedOperationError("pooling of something that is not (N, C, H, W)")
        names = self.arguments.get(call.operation, ())
        if "output_size" in names or "dim" in names:
            _check_whole(call.settings)
            layer.kernel = layer.in_shape[1:]
            return
        settings = call.settings
        if settings.get("ceil_mode") or settings.get("return_indices") or settings.get("divisor_override"):
            raise UnsupportedOperationError("pooling with ceil_mode, return_indices or divisor_override")
        layer.kernel = pair(settings["kernel_size"])
        rows, cols = pad = pair(settings.get("padding", 0))
        if any(pad) and not settings.get("count_include_pad", True):
            raise UnsupportedOperationError("average pooling with count_include_pad=False: padding counts as zeros")
        layer.stride, layer.pad = pair(settings.get("stride"), layer.kernel), (rows, rows, cols, cols)
        layer.dilation = pair(settings.get("dilation", 1))

    def fan_out(self, layer: "FloatLayer") -> float:
        return layer.kernel[0] * layer.kernel[1] / (layer.stride[0] * layer.stride[1])

    def module_fan_out(self, module: nn.Module) -> float | None:
        if not hasattr(module, "kernel_size"):
            return None
        (kh, kw), (sh, sw) = pair(module.kernel_size), pair(module.stride)
        return kh * kw / (sh * sw)

    def weight_sum(self, layer: "FloatLayer") -> int:
        """Sum of the weights of a window, by which outputs are divided."""
        return prod(layer.kernel)

    def forward(self, layer: "FloatLayer", maps: Sequence[torch.Tensor]) -> torch.Tensor:
        return self.accumulate(layer, maps, None) / self.weight_sum(layer)

    def count(self, layer: Geometry, masks: Sequence[torch.Tensor], weight: torch.Tensor | None) -> torch.Tensor:
        (mask,) = masks
        return _sums(layer, mask)

    def parameters(self, layer: "FloatLayer", in_scales: Sequence[float], out_scale: float) -> IntegerParameters:
        (in_scale,) = in_scales
        rescale = choose_multiplier(in_scale / (self.weight_sum(layer) * out_scale))
        return unweighted(torch.empty(0), [rescale] * layer.cout)


def _check_whole(settings: dict[str, Any]) -> None:
    """Raise UnsupportedOperationError unless the settings are those of a pool over all rows and columns."""
    if "output_size" in settings:
        if pair(settings["output_size"]) != (1, 1) or settings.get("return_indices"):
            raise UnsupportedOperationError(f"adaptive pooling to {settings['output_size']}: only to 1 x 1, without indices")
        return
    dim = settings.get("dim")
    if not isinstance(dim, (tuple, list)) or sorted(int(axis) % 4 for axis in dim) != [2, 3]:
        raise UnsupportedOperationError(f"over the axes {dim}: only over rows and columns, (2, 3)")


def _sums(layer: Geometry, acts: torch.Tensor) -> torch.Tensor:
    """Sums over windows, padding counted as zeros."""
    top, bottom, left, right = layer.pad
    padded = F.pad(acts, (left, right, top, bottom)) if any(layer.pad) else acts
    if layer.dilation == (1, 1):
        return F.avg_pool2d(padded, layer.kernel, layer.stride, divisor_override=1)
    chans = acts.shape[1]
    return F.conv2d(padded, acts.new_ones(chans, 1, *layer.kernel), None, layer.stride, 0, layer.dilation, chans)


class MaxPoolForm(PoolForm):
    """Maximum over the positions inside the map."""

    op = MAXPOOL
    calls = {
        nn.MaxPool2d: "max_pool", F.max_pool2d: "max_pool", torch.max_pool2d: "max_pool",
        nn.AdaptiveMaxPool2d: "global_max_pool", F.adaptive_max_pool2d: "global_max_pool", torch.amax: "amax", "amax": "amax",
    }  # fmt: skip
    arguments = {
        "max_pool": ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices"),
        "global_max_pool": ("input", "output_size", "return_indices"),
        "amax": ("input", "dim", "keepdim"),
    }

    def accumulate(self, layer: Geometry, maps: Sequence[torch.Tensor], weight: torch.Tensor | None) -> torch.Tensor:
        (acts,) = maps
        top, bottom, left, right = layer.pad
        padded = F.pad(acts, (left, right, top, bottom), value=float("-inf")) if any(layer.pad) else acts
        return F.max_pool2d(padded, layer.kernel, layer.stride, dilation=layer.dilation)

    def forward(self, layer: "FloatLayer", maps: Sequence[torch.Tensor]) -> torch.Tensor:
        return self.accumulate(layer, maps, None)

    def parameters(self, layer: "FloatLayer", in_scales: Sequence[float], out_scale: float) -> IntegerParameters:
        return unweighted(torch.empty(0), [(1, 0)] * layer.cout)


class AvgPoolForm(PoolForm):
    """Sum over windows, padding counted as zeros; real outputs are means."""

    op = AVGPOOL
    calls = {
        nn.AvgPool2d: "avg_pool", F.avg_pool2d: "avg_pool", nn.AdaptiveAvgPool2d: "global_pool",
        F.adaptive_avg_pool2d: "global_pool", torch.mean: "mean", "mean": "mean",
    }  # fmt: skip
    arguments = {
        "avg_pool": ("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"),
        "global_pool": ("input", "output_size"),
        "mean": ("input", "dim", "keepdim"),
    }

    def accumulate(self, layer: Geometry, maps: Sequence[torch.Tensor], weight: torch.Tensor | None) -> torch.Tensor:
        (acts,) = maps
        return _sums(layer, acts)
