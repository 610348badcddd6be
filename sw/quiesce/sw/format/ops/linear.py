"""Linear layer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from quiesce.sw.format.errors import ShapeError
from quiesce.sw.format.geometry import AxisWindow, MapShape
from quiesce.sw.format.ops.base import Acts, Sums, register
from quiesce.sw.format.ops.weighted import Weighted, exact_product

if TYPE_CHECKING:
    from quiesce.sw.format.layer import Layer

__all__ = ["LINEAR"]


class Linear(Weighted):
    """Every output depends on the whole input, flattened in (row, col, chan) order::

        acc[o] = bias[o] + sum over i of weight[o, i] x[i]

    with ``weight`` (cout, inputs): a convolution whose kernel is as large as the map.
    """

    name = "linear"
    weight_axes = 2

    def axes(self, layer: "Layer", shape: MapShape) -> tuple[AxisWindow, AxisWindow]:
        rows, cols, _ = shape
        return AxisWindow(rows, rows, rows, (0, 0), 1), AxisWindow(cols, cols, cols, (0, 0), 1)

    def output_shape(self, layer: "Layer", shapes: Sequence[MapShape]) -> MapShape:
        assert layer.weight is not None
        ((rows, cols, chans),) = shapes
        if layer.weight.shape[1] != rows * cols * chans:
            raise ShapeError(f"{layer.where}: weight has {layer.weight.shape[1]} inputs, the map {rows} x {cols} x {chans}")
        return 1, 1, layer.cout

    def kernel(self, layer: "Layer", shape: MapShape) -> Acts:
        assert layer.weight is not None
        return layer.weight.reshape(layer.cout, *shape)

    def accumulate(self, layer: "Layer", *sources: Acts) -> Sums:
        (acts,) = sources
        assert layer.weight is not None and layer.bias is not None
        acc = exact_product(acts.reshape(len(acts), -1), layer.weight) + layer.bias
        return acc.reshape(len(acts), 1, 1, layer.cout)

    def dense_macs(self, layer: "Layer", shapes: Sequence[MapShape]) -> int:
        assert layer.weight is not None
        return int(layer.weight.size)

    def channelwise(self, layer: "Layer") -> bool:
        return False

    def keeps_channels(self, layer: "Layer") -> bool | None:
        return None


LINEAR = register(Linear())
