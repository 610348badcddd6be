"""Random windows: of the map's size, any, wider than the map, longer than a mask word, with strides beyond the map."""

from typing import Any

import numpy as np

from quiesce.sim.soak.draws import Draws
from quiesce.sw.format.geometry import output_size, positions_inside, window_extent

__all__ = ["POINT", "positions", "window"]

POINT: dict[str, Any] = {"kernel": (1, 1), "stride": (1, 1), "pad": (0, 0, 0, 0), "dilation": (1, 1)}
"""The simplest window."""


def _axis(draws: Draws, size: int, limit: int, inside: bool) -> tuple[int, int, tuple[int, int], int]:
    """Kernel, stride, padding and dilation along an axis."""
    style = draws.choice(["same", "any", "any", "wide", "long", "far"])
    kernel, stride = draws.integer(1, 7), draws.integer(1, 4)
    dilation = draws.choice([1, 1, 1, 2, 3])
    if style == "same":
        kernel, stride = draws.choice([1, 3, 5]), 1
        pad = ((window_extent(kernel, dilation) - 1) // 2,) * 2
    else:
        if style == "wide":
            kernel = size + draws.integer(0, 6)
        elif style == "long":
            kernel = draws.choice([20, 33, 40])
        elif style == "far":
            stride = draws.choice([5, 8, 100, 300])
        most = min(window_extent(kernel, dilation) + 2, 2 * limit)
        pad = (draws.integer(0, most), draws.integer(0, most))
    n_out = output_size(size, kernel, stride, pad, dilation)
    if not 1 <= n_out <= limit or (inside and positions_inside(size, kernel, stride, pad, dilation).min() < 1):
        return 1, 1, (0, 0), 1
    return kernel, stride, pad, dilation


def window(draws: Draws, shape: tuple[int, int, int], limit: tuple[int, int], *, inside: bool = False) -> dict[str, Any]:
    """Kernel, stride, padding and dilation of a layer.

    Parameters
    ----------
    shape : rows, columns and channels of the input
    limit : most rows and columns of the output
    inside : no window lies in the padding only
    """
    rows, cols = (_axis(draws, size, most, inside) for size, most in zip(shape[:2], limit, strict=True))
    kernel, stride, dilation = ((rows[index], cols[index]) for index in (0, 1, 3))
    return {"kernel": kernel, "stride": stride, "pad": rows[2] + cols[2], "dilation": dilation}


def positions(shape: tuple[int, int, int], window: dict[str, Any]) -> tuple[int, int]:
    """Pixels of the output, and kernel positions of all of them."""
    kernel, pad = window["kernel"], window["pad"]
    rows = output_size(shape[0], kernel[0], window["stride"][0], pad[:2], window["dilation"][0])
    cols = output_size(shape[1], kernel[1], window["stride"][1], pad[2:], window["dilation"][1])
    return rows * cols, rows * cols * int(np.prod(kernel))
