"""Networks of one random convolution, and random activations of an exact density."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quiesce.sw.format.layer import Layer, MapSpec
from quiesce.sw.format.network import INPUT, Network
from quiesce.sw.format.ops import CONV

__all__ = ["ConvSpec", "draw_inputs"]

_WEIGHT_MAX = 31
"""Small enough for 24-bit accumulators: 127 x 31 x 2048 operands."""
_SHIFT = 20


@dataclass(frozen=True, kw_only=True)
class ConvSpec:
    """A square convolution, ``cin`` -> ``cout`` channels, output ``size`` x ``size``.

    Parameters
    ----------
    cin, cout, kernel, size : int
    pad : int
        Zeros at each of the four sides.
    stride : int
    weight_density : float
        Share of nonzero weights, 0..1, at random places.
    """

    cin: int
    cout: int
    kernel: int
    size: int
    pad: int = 0
    stride: int = 1
    weight_density: float = 1.0

    @property
    def in_size(self) -> int:
        """Rows and columns of the input."""
        return (self.size - 1) * self.stride + self.kernel - 2 * self.pad

    @property
    def name(self) -> str:
        stride = f" stride {self.stride}" if self.stride > 1 else ""
        return f"{self.cin}-{self.cout} {self.kernel}x{self.kernel}{stride} to {self.size}x{self.size}"

    def network(self, seed: int) -> Network:
        """The layer with random weights and biases, followed by ReLU; about half of its outputs are positive."""
        rng = np.random.default_rng(seed)
        shape = (self.cout, self.kernel, self.kernel, self.cin)
        weight = rng.integers(1, _WEIGHT_MAX + 1, shape) * rng.choice([-1, 1], shape)
        weight.reshape(-1)[rng.permutation(weight.size)[round(self.weight_density * weight.size) :]] = 0
        # Sums have a standard deviation of about 73 x 18 x sqrt(operands): a third of full scale then.
        deviation = 1320 * np.sqrt(weight[0].size)
        multiplier = int(np.clip((1 << _SHIFT) * 42 / deviation, 1, 65535))
        layer = Layer(
            name="conv", op=CONV, inputs=(INPUT,), weight=weight.astype(np.int8),
            bias=rng.integers(-3000, 3001, self.cout).astype(np.int32), multiplier=np.full(self.cout, multiplier, np.int32),
            shift=np.full(self.cout, _SHIFT, np.int32), out_scale=1.0, kernel=(self.kernel, self.kernel),
            stride=(self.stride, self.stride), pad=(self.pad,) * 4, low=0,
        )  # fmt: skip
        spec = MapSpec(height=self.in_size, width=self.in_size, chans=self.cin, scale=1.0, low=0)
        return Network(name="conv", input=spec, layers=(layer,), output="conv")


def draw_inputs(network: Network, density: float, seed: int, n: int = 1) -> npt.NDArray[np.int8]:
    """Activations (n, rows, cols, chans), 1..127 in ``round(density x size)`` places of each item and zero elsewhere."""
    rng = np.random.default_rng(seed)
    size = int(np.prod(network.input.shape))
    acts = np.zeros((n, size), np.int8)
    for item in acts:
        kept = rng.permutation(size)[: round(density * size)]
        item[kept] = rng.integers(1, 128, len(kept))
    return acts.reshape(n, *network.input.shape)
