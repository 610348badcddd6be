"""Convolution."""

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from quiesce.sw.format.errors import ShapeError
from quiesce.sw.format.geometry import MapShape
from quiesce.sw.format.ops.base import Acts, Sums, padded, register, window_slices
from quiesce.sw.format.ops.weighted import Weighted, exact_product

if TYPE_CHECKING:
    from quiesce.sw.format.layer import Layer

__all__ = ["CONV"]


class Conv(Weighted):
    """Convolution of each group of channels::

        acc[r, c, o] = bias[o] + sum over i, j, k of
            weight[o, i, j, k] x[r stride + i dilation - pad, c stride + j dilation - pad, o // (cout / groups) cin + k]

    with ``weight`` (cout, kh, kw, cin), ``cin`` the channels of a group, and zeros around the map.
    """

    name = "conv"
    windowed = True
    weight_axes = 4

    def check_kernel(self, layer: "Layer") -> None:
        assert layer.weight is not None
        if layer.weight.shape[1:3] != layer.kernel:
            raise ShapeError(f"{layer.where}: kernel is {layer.kernel}, weight has {layer.weight.shape[1:3]}")
        if layer.cout % layer.groups:
            raise ShapeError(f"{layer.where}: {layer.groups} groups do not divide {layer.cout} output channels")

    def in_chans(self, layer: "Layer") -> int:
        assert layer.weight is not None
        return int(layer.weight.shape[3]) * layer.groups

    def kernel(self, layer: "Layer", shape: MapShape) -> Acts:
        assert layer.weight is not None
        return layer.weight

    def accumulate(self, layer: "Layer", *sources: Acts) -> Sums:
        (acts,) = sources
        assert layer.weight is not None and layer.bias is not None
        axes = self.axes(layer, (acts.shape[1], acts.shape[2], acts.shape[3]))
        n_items, out, cin = len(acts), (axes[0].n_out, axes[1].n_out), layer.weight.shape[3]
        source = padded(axes, acts)
        patches = np.empty((layer.groups, n_items, *out, *layer.kernel, cin), np.float32)
        for i, j, rows, cols in window_slices(axes):
            cells = source[:, rows, cols].reshape(n_items, *out, layer.groups, cin)
            patches[:, :, :, :, i, j] = np.moveaxis(cells, 3, 0)
        flat = patches.reshape(layer.groups, n_items * prod(out), -1)
        weight = layer.weight.reshape(layer.groups, layer.cout // layer.groups, -1)
        products = [exact_product(flat[group], weight[group]) for group in range(layer.groups)]
        acc: Sums = np.concatenate(products, axis=1).reshape(n_items, *out, layer.cout)
        acc += layer.bias
        return acc

    def cells(self, layer: "Layer", shapes: Sequence[MapShape]) -> int:
        rows, cols, _ = self.output_shape(layer, shapes)
        return max(super().cells(layer, shapes), rows * cols * layer.kernel[0] * layer.kernel[1] * shapes[0][2])

    def dense_macs(self, layer: "Layer", shapes: Sequence[MapShape]) -> int:
        assert layer.weight is not None
        return super().dense_macs(layer, shapes) * int(layer.weight.shape[3])

    def channelwise(self, layer: "Layer") -> bool:
        return layer.groups == layer.cout == self.in_chans(layer)

    def keeps_channels(self, layer: "Layer") -> bool | None:
        return None if layer.groups == 1 else self.channelwise(layer)


CONV = register(Conv())
