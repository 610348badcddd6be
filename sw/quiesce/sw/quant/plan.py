"""A traced network before quantisation: real-valued layers of the kinds that the integer arithmetic has."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch

from quiesce.sw.format.network import INPUT
from quiesce.sw.format.ops import Operator
from quiesce.sw.quant.forms import ChwShape, TorchForm, form_of
from quiesce.sw.quant.winners import winner_mask

__all__ = ["FloatLayer", "Plan"]

Pair = tuple[int, int]


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
        In the layout of the operator's torch form.
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
    step : Tensor of float32 or None
        Least scale of the output (of DeltaActivation): (), or (cout,) until ``steps.fold_steps`` makes it one number.
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
    step: torch.Tensor | None = None
    keeps_scale: bool = False

    @property
    def in_shape(self) -> ChwShape:
        """Shape of the first input."""
        return self.in_shapes[0]

    @property
    def form(self) -> TorchForm:
        """Torch form of the operator."""
        return form_of(self.op)

    @property
    def cout(self) -> int:
        """Output channels."""
        return self.form.out_chans(self)

    @property
    def fan_out(self) -> float:
        """Multiply-accumulate operations that one event causes, borders neglected."""
        return self.form.fan_out(self)

    def forward(self, *maps: torch.Tensor) -> torch.Tensor:
        """Real outputs (N, cout, rows, cols) of real inputs (N, cin, rows, cols)."""
        out = self.form.forward(self, maps)
        if self.bias is not None:
            out = out + self.bias.reshape(-1, 1, 1)
        if not self.relu:
            return out
        out = out.clamp(min=0, max=self.ceiling)
        out = torch.where(out >= self.threshold, out, 0.0) if self.threshold else out
        return out * winner_mask(out, self.winners) if self.winners else out


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
