"""A traced network before quantisation: real-valued layers of the kinds that the integer arithmetic has."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch.nn import functional as F

from quiesce.sw.format.layer import Kind
from quiesce.sw.format.network import INPUT

__all__ = ["FloatLayer", "Plan", "window"]

Pair = tuple[int, int]
ChwShape = tuple[int, int, int]


@dataclass(kw_only=True)
class FloatLayer:
    """One layer with real weights, an optional ReLU included.

    Parameters
    ----------
    name, source : str
        Name of the layer and of the layer it reads, or "input".
    kind : Kind
        What it computes.
    in_shape : tuple of int
        Channels, rows, columns of its input.
    weight : Tensor of float32 or None
        Convolution (cout, cin / groups, kh, kw); linear (cout, cin) over the input flattened in (chan, row, col) order.
    bias : Tensor of float32 or None
        (cout,), zeros if the module has none; None for pools.
    kernel, stride, dilation, pad, groups
        As in ``quiesce.sw.format.layer.Layer``.
    relu : bool
        Negative outputs become zero.
    ceiling : float or None
        Largest output (of ReLU6).
    """

    name: str
    source: str
    kind: Kind
    in_shape: ChwShape
    weight: torch.Tensor | None = None
    bias: torch.Tensor | None = None
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1
    relu: bool = False
    ceiling: float | None = None

    @property
    def cout(self) -> int:
        """Output channels."""
        return self.in_shape[0] if self.weight is None else self.weight.shape[0]

    @property
    def fan_out(self) -> float:
        """Multiply-accumulate operations that one event causes, borders neglected."""
        if self.kind is Kind.LINEAR:
            return float(self.cout)
        positions = self.kernel[0] * self.kernel[1] / (self.stride[0] * self.stride[1])
        return positions * self.cout / self.groups if self.kind is Kind.CONV else positions

    def forward(self, acts: torch.Tensor) -> torch.Tensor:
        """Real outputs (N, cout, rows, cols) of real inputs (N, cin, rows, cols)."""
        out = window(self, acts, self.weight)
        if self.bias is not None:
            out = out + self.bias.reshape(-1, 1, 1)
        if self.kind is Kind.AVGPOOL:
            out = out / (self.kernel[0] * self.kernel[1])
        return out.clamp(min=0 if self.relu else None, max=self.ceiling) if self.relu else out


def window(layer: FloatLayer, acts: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    """Sums (or maxima) over the windows of a layer, in the type of ``acts``, with ``weight`` in place of the layer's.

    Average pooling gives the sum, padding counted as zeros; maximum pooling takes positions inside the map only.
    """
    if layer.kind is Kind.LINEAR:
        assert weight is not None
        return F.linear(acts.flatten(1), weight)[:, :, None, None]
    top, bottom, left, right = layer.pad
    if layer.kind is Kind.MAXPOOL:
        padded = F.pad(acts, (left, right, top, bottom), value=float("-inf")) if any(layer.pad) else acts
        return F.max_pool2d(padded, layer.kernel, layer.stride, dilation=layer.dilation)
    padded = F.pad(acts, (left, right, top, bottom)) if any(layer.pad) else acts
    if layer.kind is Kind.AVGPOOL:
        return F.avg_pool2d(padded, layer.kernel, layer.stride, divisor_override=1)
    assert weight is not None
    return F.conv2d(padded, weight, None, layer.stride, 0, layer.dilation, layer.groups)


@dataclass(kw_only=True)
class Plan:
    """The layers of a network in the order of their computation.

    Parameters
    ----------
    in_shape : tuple of int
        Channels, rows, columns of the network's input; (features, 1, 1) for vectors.
    layers : list of FloatLayer
        Each after the layer it reads.
    output : str
        Name of the layer whose output is the result.
    """

    in_shape: ChwShape
    layers: list[FloatLayer] = field(default_factory=list)
    output: str = INPUT

    def forward(self, inputs: torch.Tensor) -> Iterator[tuple[FloatLayer, torch.Tensor]]:
        """Each layer with its real output (N, C, H, W) for inputs (N, C, H, W)."""
        maps = {INPUT: inputs}
        for layer in self.layers:
            maps[layer.name] = layer.forward(maps[layer.source])
            yield layer, maps[layer.name]
