"""Window arithmetic along one axis of a map: sizes, kernel positions, and how many of them fall inside."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["AxisWindow", "MapShape", "output_size", "positions_inside", "window_extent"]

MapShape = tuple[int, int, int]
"""Rows, columns and channels of a map."""


class AxisWindow(NamedTuple):
    """The window of a layer along rows or columns: the arguments of ``output_size`` and ``positions_inside``."""

    size: int
    kernel: int
    stride: int
    pad: tuple[int, int]
    dilation: int

    @property
    def n_out(self) -> int:
        return output_size(*self)


def window_extent(kernel: int, dilation: int) -> int:
    """Input cells that one window spans: ``(kernel - 1) dilation + 1``."""
    return (kernel - 1) * dilation + 1


def output_size(size: int, kernel: int, stride: int, pad: tuple[int, int], dilation: int) -> int:
    """Windows along an axis: ``floor((size + pad - extent) / stride) + 1``; 0 or less if not even one fits.

    Parameters
    ----------
    size, kernel, stride, dilation : int
        Cells of the map, entries of the kernel, and their spacings; at least 1.
    pad : tuple of int
        Zeros before and after the map.
    """
    return (size + sum(pad) - window_extent(kernel, dilation)) // stride + 1


def positions_inside(size: int, kernel: int, stride: int, pad: tuple[int, int], dilation: int) -> npt.NDArray[np.int64]:
    """Kernel positions of each window that fall inside the map rather than on padding.

    Returns
    -------
    ndarray of int64, shape (output_size,)
        Counts 0..kernel.
    """
    first = np.arange(output_size(size, kernel, stride, pad, dilation), dtype=np.int64) * stride - pad[0]
    # Smallest and largest kernel index k with 0 <= first + k * dilation < size.
    lowest = np.maximum(0, -(first // dilation))
    highest = np.minimum(kernel - 1, (size - 1 - first) // dilation)
    inside: npt.NDArray[np.int64] = np.maximum(0, highest - lowest + 1)
    return inside
