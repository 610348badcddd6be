"""A traced network before quantisation: real-valued layers of the kinds that the integer arithmetic has."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch.nn import functional as F

from quiesce.sw.format.network import INPUT
from quiesce.sw.format.ops import ADD, AVGPOOL, CONCAT, CONV, LINEAR, MAXPOOL, Operator
from quiesce.sw.quant.winners import winner_mask

__all__ = ["NEGLIGIBLE", "FloatLayer", "Plan", "accumulate"]

NEGLIGIBLE = 2.0**-102
"""Activations that are no larger count as zeros: their 24 significant bits would leave the range of float32."""

Pair = tuple[int, int]
ChwShape = tuple[int, int, int]


@dataclass(kw_only=True, eq=False)
class FloatLayer:
    """One layer with real weights, an optional ReLU included.

    Parameters
    ----------
    name : str
        Name of the layer.
    sources : tuple of str
        Names of the layers it reads, or "input".
    op : Operator
        What it computes.
    in_shapes : tuple of tuple of int
        Channels, rows, columns of each of its inputs.
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
    threshold : float
        Outputs below it become zero (of FATReLU); above 0 only with ``relu``.
    winners : int
        Channels that survive (of WinnerReLU), 0 for all; above 0 only with ``relu``.
    keeps_scale : bool
        Outputs are inputs, so that one integer step of the output stands for the same as one of the input.
    """

    name: str
    sources: tuple[str, ...]
    op: Operator
    in_shapes: tuple[ChwShape, ...]
    weight: torch.Tensor | None = None
    bias: torch.Tensor | None = None
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1
    relu: bool = False
    ceiling: float | None = None
    threshold: float = 0.0
    winners: int = 0
    keeps_scale: bool = False

    @property
    def in_shape(self) -> ChwShape:
        """Shape of the first input."""
        return self.in_shapes[0]

    @property
    def cout(self) -> int:
        """Output channels."""
        if self.op is CONCAT:
            return sum(shape[0] for shape in self.in_shapes)
        return self.in_shape[0] if self.weight is None else self.weight.shape[0]

    @property
    def fan_out(self) -> float:
        """Multiply-accumulate operations that one event causes, borders neglected."""
        if self.op is LINEAR:
            return float(self.cout)
        if self.op.joins:
            return 1.0
        positions = self.kernel[0] * self.kernel[1] / (self.stride[0] * self.stride[1])
        return positions * self.cout / self.groups if self.op is CONV else positions

    def forward(self, *maps: torch.Tensor) -> torch.Tensor:
        """Real outputs (N, cout, rows, cols) of real inputs (N, cin, rows, cols)."""
        out = accumulate(self, maps, torch.ones(len(maps)) if self.op is ADD else self.weight)
        if self.bias is not None:
            out = out + self.bias.reshape(-1, 1, 1)
        if self.op is AVGPOOL:
            out = out / (self.kernel[0] * self.kernel[1])
        if not self.relu:
            return out
        out = out.clamp(min=0, max=self.ceiling)
        out = torch.where(out >= self.threshold, out, 0.0) if self.threshold else out
        return out * winner_mask(out, self.winners) if self.winners else out


def accumulate(layer: FloatLayer, maps: Sequence[torch.Tensor], weight: torch.Tensor | None) -> torch.Tensor:
    """Sums (or maxima) of a layer, in the type of ``maps``, with ``weight`` in place of the layer's.

    Average pooling gives the sum, padding counted as zeros; maximum pooling takes positions inside the map only. ADD has one
    weight for each map.
    """
    if layer.op is CONCAT:
        return torch.cat(list(maps), dim=1)
    if layer.op is ADD:
        assert weight is not None
        acc = weight[0] * maps[0]
        for factor, acts in zip(weight[1:], maps[1:], strict=True):
            acc = torch.addcmul(acc, factor, acts)
        return acc
    (acts,) = maps
    if layer.op is LINEAR:
        assert weight is not None
        return F.linear(acts.flatten(1), weight)[:, :, None, None]
    top, bottom, left, right = layer.pad
    if layer.op is MAXPOOL:
        padded = F.pad(acts, (left, right, top, bottom), value=float("-inf")) if any(layer.pad) else acts
        return F.max_pool2d(padded, layer.kernel, layer.stride, dilation=layer.dilation)
    even = (top, left) == (bottom, right) and layer.op is not AVGPOOL
    padded = F.pad(acts, (left, right, top, bottom)) if any(layer.pad) and not even else acts
    if layer.op is AVGPOOL:
        return F.avg_pool2d(padded, layer.kernel, layer.stride, divisor_override=1)
    assert weight is not None
    return F.conv2d(padded, weight, None, layer.stride, (top, left) if even else 0, layer.dilation, layer.groups)


@dataclass(kw_only=True)
class Plan:
    """The layers of a network in the order of their computation.

    Parameters
    ----------
    in_shape : tuple of int
        Channels, rows, columns of the network's input; (features, 1, 1) for vectors.
    layers : list of FloatLayer
        Each after the layers it reads.
    output : str
        Name of the layer whose output is the result.
    """

    in_shape: ChwShape
    layers: list[FloatLayer] = field(default_factory=list)
    output: str = INPUT

    def forward(self, inputs: torch.Tensor) -> Iterator[tuple[FloatLayer, torch.Tensor]]:
        """Each layer with its real output (N, C, H, W) for inputs (N, C, H, W); maps are kept while layers are to read them."""
        maps = {INPUT: inputs}
        last = {source: layer for layer in self.layers for source in layer.sources}
        for layer in self.layers:
            out = layer.forward(*(maps[source] for source in layer.sources))
            for source in set(layer.sources):
                if last[source] is layer:
                    del maps[source]
            maps[layer.name] = out
            yield layer, out
