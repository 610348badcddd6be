"""The integer arithmetic of a network in torch, equal to ``quiesce.sw.reference.run`` bit for bit."""

import torch
from torch import nn

from quiesce.sw.format.geometry import MapShape
from quiesce.sw.format.layer import Layer
from quiesce.sw.format.network import INPUT, Network
from quiesce.sw.format.requantize import rescale
from quiesce.sw.quant.forms import form_of
from quiesce.sw.quant.winners import winner_mask

__all__ = ["QuantizedModule", "quantized_forward"]


class _IntegerLayer(nn.Module):
    weight: torch.Tensor | None
    bias: torch.Tensor | None
    multiplier: torch.Tensor
    shift: torch.Tensor

    def __init__(self, layer: Layer, shape: MapShape) -> None:
        super().__init__()
        self.layer = layer
        self.form = form_of(layer.op)
        # float64 represents every sum of products exactly, as it fits 32 bits.
        weight = None if layer.weight is None else self.form.torch_weight(layer, layer.weight, shape).double()
        self.register_buffer("weight", weight)
        for name in ("bias", "multiplier", "shift"):
            array = getattr(layer, name)
            self.register_buffer(name, None if array is None else torch.from_numpy(array.copy()).to(torch.int64))

    def forward(self, *maps: torch.Tensor) -> torch.Tensor:
        """int8 (N, cin, rows, cols) each to int8 (N, cout, rows, cols)."""
        layer = self.layer
        acc = self.form.accumulate(layer, [acts.double() for acts in maps], self.weight).to(torch.int64)
        if self.bias is not None:
            acc = acc + self.bias.reshape(-1, 1, 1)
        multiplier, shift = self.multiplier.reshape(-1, 1, 1), self.shift.reshape(-1, 1, 1)
        q: torch.Tensor = rescale(acc, multiplier, shift, layer.low, layer.high, layer.threshold)
        return (q * winner_mask(q, layer.winners) if layer.winners else q).to(torch.int8)


class QuantizedModule(nn.Module):
    """A network as a torch module over integers.

    Parameters
    ----------
    network : Network
        What to compute.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network, shapes = network, network.shapes()
        self.layers = nn.ModuleList(_IntegerLayer(layer, shapes[layer.inputs[0]]) for layer in network.layers)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Integer outputs of integer inputs.

        Parameters
        ----------
        inputs : Tensor of int8, shape (N, H, W, C)
            Within the range of the network's input.

        Returns
        -------
        Tensor of int8, shape (N, H, W, C)
            Real value = ``network.scale(network.output)`` x integer.

        Raises
        ------
        ValueError
            Wrong type, shape or range.
        """
        spec = self.network.input
        if inputs.dtype != torch.int8 or inputs.shape[1:] != spec.shape:
            raise ValueError(f"inputs are {inputs.dtype} {tuple(inputs.shape)}, not int8 (N, *{spec.shape})")
        if inputs.numel() and not (spec.low <= int(inputs.min()) and int(inputs.max()) <= spec.high):
            raise ValueError(f"inputs are not within {spec.low}..{spec.high}")
        maps = {INPUT: inputs.permute(0, 3, 1, 2)}
        for step in self.layers:
            assert isinstance(step, _IntegerLayer)
            maps[step.layer.name] = step(*(maps[name] for name in step.layer.inputs))
        return maps[self.network.output].permute(0, 2, 3, 1)


def quantized_forward(network: Network) -> QuantizedModule:
    """The network's integer arithmetic as a torch module: int8 (N, H, W, C) to int8 (N, H, W, C)."""
    return QuantizedModule(network)
