"""Random inputs: of any density, black images and borders, empty channels, and single pixels."""

import numpy as np
import numpy.typing as npt

from quiesce.sim.soak.draws import Draws
from quiesce.sw.format.layer import MapSpec

__all__ = ["random_inputs"]


def random_inputs(draws: Draws, spec: MapSpec, n: int) -> npt.NDArray[np.int8]:
    """Images for an input map, int8, (n, rows, cols, chans)."""
    rng = draws.rng()
    shape = (n, *spec.shape)
    acts = rng.integers(spec.low, spec.high + 1, shape).astype(np.int8)
    density = draws.choice([1.0, 0.4, 0.05, 0.7, 0.2, 0.4, 1.0, 0.0])
    if density == 1.0:
        acts[acts == 0] = spec.high
    acts[rng.random(shape) >= density] = 0
    _, rows, cols, chans = shape
    style = draws.choice(["full", "full", "top", "border", "columns", "image", "pixel"])
    if style == "top":
        acts[:, : rng.integers(0, rows + 1)] = 0
    elif style == "border":
        top, left = rng.integers(0, rows // 2 + 1), rng.integers(0, cols // 2 + 1)
        inside = np.zeros((rows, cols, 1), bool)
        inside[top : rows - top, left : cols - left] = True
        acts *= inside
    elif style == "columns":
        acts[:, :, rng.random(cols) < 0.5] = 0
    elif style == "image":
        acts[rng.integers(n)] = 0
    elif style == "pixel":
        acts *= rng.permutation(np.arange(rows * cols) == 0).reshape(rows, cols, 1)
    if draws.chance(30):  # channels that follow each other without any event
        first, last = sorted(rng.integers(0, chans + 1, 2))
        acts[..., first:last] = 0
    return acts
