"""What operators that read several maps of the same rows and columns have in common."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from quiesce.sw.format.errors import ShapeError
from quiesce.sw.format.geometry import MapShape
from quiesce.sw.format.ops.base import Operator

if TYPE_CHECKING:
    from quiesce.sw.format.layer import Layer

__all__ = ["Join"]


class Join(Operator):
    """Each output pixel depends on the pixels of the inputs at the same place."""

    min_inputs = 2
    uniform = True

    def joined_chans(self, chans: Sequence[int]) -> int:
        """Channels of the output, from those of the inputs; -1 if these do not fit each other."""
        return chans[0] if len(set(chans)) == 1 else -1

    def output_shape(self, layer: "Layer", shapes: Sequence[MapShape]) -> MapShape:
        rows, cols, _ = shapes[0]
        for name, shape in zip(layer.inputs, shapes, strict=True):
            if shape[:2] != (rows, cols) or self.joined_chans((shapes[0][2], shape[2])) < 0:
                raise ShapeError(
                    f"{layer.where}: maps {layer.inputs[0]!r} of {shapes[0]} and {name!r} of {shape} do not fit each other"
                )
        chans = self.joined_chans([shape[2] for shape in shapes])
        if chans != layer.cout:
            raise ShapeError(f"{layer.where}: multiplier has {layer.cout} channels, the inputs {chans}")
        self.check_size(layer, (rows, cols, chans))
        return rows, cols, chans

    def dense_macs(self, layer: "Layer", shapes: Sequence[MapShape]) -> int:
        return sum(rows * cols * chans for rows, cols, chans in shapes)
