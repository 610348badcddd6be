"""Random directed acyclic networks with inputs, as a Hypothesis strategy that shrinks towards one small dense convolution."""

from dataclasses import dataclass, field, replace

import networks
import numpy as np
from hypothesis import strategies as st

from quiesce.sw.format.geometry import output_size, positions_inside, window_extent
from quiesce.sw.format.layer import Kind, Layer, MapShape
from quiesce.sw.format.network import INPUT, Network

__all__ = ["Case", "graphs"]

_OPERATIONS = ("conv", "depthwise", "grouped", "max", "mean", "global", "linear", "add", "concat")


class Case:
    """A network, inputs (N, rows, cols, chans) for it, and the seed of their numbers; printed without the numbers."""

    def __init__(self, network: Network, inputs: np.ndarray, seed: int):
        self.network, self.inputs, self.seed = network, inputs, seed

    def __repr__(self) -> str:
        lines = [f"seed {self.seed}, input {self.inputs.shape}, low {self.network.input.low}"]
        shapes = self.network.shapes()
        for layer in self.network.layers:
            window = [layer.kernel, layer.stride, layer.pad, layer.dilation, layer.groups]
            what = f"{layer.name} {layer.kind.value} {layer.inputs} -> {shapes[layer.name]}"
            lines.append(f"{what} {window} low {layer.low} winners {layer.winners}")
        return "\n".join(lines)


@dataclass
class _Builder:
    """A network while it grows.

    Members
    -------
    draw, rng : Hypothesis draws the structure; weights are random numbers from a drawn seed
    max_size, max_chans : most rows, columns and channels of a map
    winners : layers may have winners
    shapes : of the maps so far, in order
    """

    draw: st.DrawFn
    rng: np.random.Generator
    max_size: int
    max_chans: int
    winners: bool
    shapes: dict[str, MapShape]
    layers: list[Layer] = field(default_factory=list)

    def append(self, layer: Layer) -> str:
        if self.winners and layer.low == 0 and self.draw(st.sampled_from([False, False, True])):
            layer = replace(layer, winners=self.draw(st.integers(1, layer.cout)))
        self.layers.append(layer)
        self.shapes[layer.name] = layer.output_shape(*(self.shapes[name] for name in layer.inputs))
        return layer.name

    @property
    def next_name(self) -> str:
        return f"layer{len(self.layers)}"

    def source(self) -> str:
        """Some map, the latest if shrunk."""
        return self.draw(st.sampled_from(list(reversed(self.shapes))))

    def axis(self, size: int, pool: bool) -> tuple[int, int, tuple[int, int], int] | None:
        """Kernel, stride, padding and dilation along an axis; None if the window does not fit."""
        kernel, stride = self.draw(st.integers(1, 11) | st.sampled_from([20, 40])), self.draw(st.integers(1, 4))
        dilation = self.draw(st.sampled_from([1, 1, 1, 2, 3]))
        extent = window_extent(kernel, dilation)
        pad = tuple(self.draw(st.integers(0, min(extent + 2, self.max_size))) for _ in range(2))
        n_out = output_size(size, kernel, stride, pad, dilation)
        if not 1 <= n_out <= self.max_size or pool and positions_inside(size, kernel, stride, pad, dilation).min() < 1:
            return None
        return kernel, stride, pad, dilation

    def window(self, shape: MapShape, pool: bool = False) -> dict[str, tuple[int, ...]]:
        """Kernel, stride, padding and dilation of a layer."""
        rows = self.axis(shape[0], pool) or (1, 1, (0, 0), 1)
        cols = self.axis(shape[1], pool) or (1, 1, (0, 0), 1)
        kernel, stride, pad, dilation = zip(rows, cols, strict=True)
        return {"kernel": kernel, "stride": stride, "pad": pad[0] + pad[1], "dilation": dilation}

    def activation(self) -> dict[str, int]:
        low, bits = self.draw(st.sampled_from([0, -127])), self.draw(st.sampled_from([8, 4]))
        return {"low": low, "threshold": self.draw(st.sampled_from([0, bits + 1])) if low == 0 else 0, "bits": bits}

    def weight_bits(self) -> int:
        return self.draw(st.sampled_from([8, 4, 2]))

    def conv(self, source: str, cout: int, groups: int = 1, **window: tuple[int, ...]) -> str:
        density = self.draw(st.sampled_from([1.0, 0.3, 0.03]))
        options = self.activation() | {"weight_bits": self.weight_bits()}
        options.pop("threshold")
        window = window or self.window(self.shapes[source])
        cin = self.shapes[source][2]
        return self.append(
            networks.conv(self.rng, self.next_name, source, cin, cout, groups=groups, density=density, **window, **options)
        )

    def linear(self, source: str, cout: int) -> str:
        cin = int(np.prod(self.shapes[source]))
        options = self.activation() | {"weight_bits": self.weight_bits()}
        return self.append(networks.linear(self.rng, self.next_name, source, cin, cout, density=0.5, **options))

    def add(self, sources: list[str]) -> str:
        return self.append(networks.add(self.rng, self.next_name, sources, self.shapes[sources[0]][2], **self.activation()))

    def like(self, source: str) -> str:
        """A second map of the same shape as ``source``, made of it if there is none."""
        others = [name for name, shape in self.shapes.items() if shape == self.shapes[source]]
        if len(others) > 1:
            return self.draw(st.sampled_from(others))
        return self.conv(source, self.shapes[source][2], kernel=(3, 1), pad=(1, 1, 0, 0))

    def grow(self) -> None:
        """Append a layer, or two."""
        operation, source = self.draw(st.sampled_from(_OPERATIONS)), self.source()
        shape = rows, cols, chans = self.shapes[source]
        chans_out = st.integers(1, self.max_chans)
        if operation == "conv":
            self.conv(source, self.draw(chans_out))
        elif operation == "depthwise":
            self.conv(source, chans, groups=chans)
        elif operation == "grouped":
            groups = self.draw(st.sampled_from([n for n in range(1, chans + 1) if chans % n == 0]))
            self.conv(source, groups * self.draw(st.integers(1, max(1, self.max_chans // groups))), groups=groups)
        elif operation == "linear":
            self.linear(source, self.draw(chans_out))
        elif operation == "add":
            self.add([source, *(self.like(source) for _ in range(self.draw(st.integers(1, 3))))])
        elif operation == "concat":
            others = [name for name in self.shapes if self.shapes[name][:2] == shape[:2]]
            sources = [source, *self.draw(st.lists(st.sampled_from(others), min_size=1, max_size=3))]
            total = sum(self.shapes[name][2] for name in sources)
            self.append(networks.concat(self.rng, self.next_name, sources, total, **self.activation()))
        else:
            kind = Kind.MAXPOOL if operation == "max" else Kind.AVGPOOL
            window = self.window(shape, pool=True) if operation != "global" else {"kernel": (rows, cols)}
            options = self.activation()
            options.pop("threshold")
            self.append(networks.pool(kind, self.next_name, source, chans, **options, **window))

    def join_leaves(self) -> None:
        """Sum up maps that no layer reads, so that all of them count."""
        read = {name for layer in self.layers for name in layer.inputs}
        leaves = [layer.name for layer in self.layers if layer.name not in read][-8:]
        if len(leaves) > 1:
            self.add([self.linear(name, 5) for name in leaves])

    def network(self, low: int, bits: int) -> Network:
        """The network of all layers that the last one depends on."""
        self.layers[-1] = replace(self.layers[-1], winners=0)  # not on hardware
        needed = {self.layers[-1].name}
        for layer in reversed(self.layers):
            needed.update(layer.inputs if layer.name in needed else ())
        return networks.network([layer for layer in self.layers if layer.name in needed], self.shapes[INPUT], low, bits)


@st.composite
def graphs(
    draw: st.DrawFn, max_layers: int = 5, max_size: int = 11, max_chans: int = 24, n_images: int = 2, winners: bool = False
) -> Case:
    """A network of any kinds of layers, branches included, and inputs of any density.

    ``max_layers`` does not count the layers that sums need. With ``winners``, some layers have them, but not the output.
    """
    seed = draw(st.integers(0, 2**32 - 1), label="seed")
    shape = draw(st.tuples(st.integers(1, max_size), st.integers(1, max_size), st.integers(1, max_chans)))
    builder = _Builder(draw, np.random.default_rng(seed), max_size, max_chans, winners, {INPUT: shape})
    for _ in range(draw(st.integers(1, max_layers))):
        builder.grow()
    if draw(st.booleans()):
        builder.join_leaves()
    network = builder.network(draw(st.sampled_from([0, -127])), draw(st.sampled_from([8, 4])))
    inputs = networks.inputs(builder.rng, network, n_images, draw(st.sampled_from([1.0, 0.4, 0.05, 0.0])))
    first, last = sorted(draw(st.tuples(*[st.integers(0, shape[2])] * 2)))
    inputs[..., first:last] = 0  # channels that follow each other without any event
    return Case(network, inputs, seed)
