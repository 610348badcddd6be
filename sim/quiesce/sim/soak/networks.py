"""Random networks around everything that a core cuts, counts or leaves out, as decisions of ``Draws``."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from quiesce.sim.soak import layers as made
from quiesce.sim.soak.draws import Draws
from quiesce.sim.soak.inputs import random_inputs
from quiesce.sim.soak.layers import Acts, Map
from quiesce.sim.soak.windows import POINT, positions, window
from quiesce.spec.config import CoreConfig
from quiesce.sw.format.checks import largest
from quiesce.sw.format.layer import Layer, MapSpec
from quiesce.sw.format.network import INPUT, Network
from quiesce.sw.format.ops import AVGPOOL, MAXPOOL, Operator
from quiesce.sw.reference import outputs

__all__ = ["Limits", "random_network"]

_OPERATIONS = ("conv", "conv", "narrow", "depthwise", "grouped", "max", "mean", "whole", "linear", "add", "concat")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a network may take.

    Parameters
    ----------
    layers : int
        Layers that are drawn; sums and the join of loose ends add some.
    rows, cols, chans : int
        Of a map. Some are as wide as a core takes, if that is below 100.
    cells : int
        Activations of a map; 64 times that is the limit of a layer's kernel positions, all pixels and input channels.
    cycles : int
        Of a run, roughly.
    images : int
    counted : int
        Percent of the cases on small cores that count activity.
    """

    layers: int = 6
    rows: int = 12
    cols: int = 12
    chans: int = 200
    cells: int = 6000
    cycles: int = 16000
    images: int = 3
    counted: int = 2


@dataclass
class _NetworkBuilder:
    """A network while it grows: its maps by name, its layers, and the cycles that are left."""

    draws: Draws
    config: CoreConfig
    limits: Limits
    dense: bool
    winners: bool
    maps: dict[str, Map]
    cycles: float
    layers: list[Layer] = field(default_factory=list)

    @property
    def sum_max(self) -> int:
        return (1 << (self.config.acc_width - 1)) - 1

    @property
    def next_name(self) -> str:
        return f"layer{len(self.layers)}"

    def append(self, layer: Layer) -> Map | None:
        """Take a layer, unless it is too much work; its map."""
        if self.winners and layer.low >= 0 and self.draws.chance(30):
            few = self.draws.choice([1, layer.cout // 2, layer.cout - 1, layer.cout])
            layer = replace(layer, winners=max(few, 1))
        sources = [self.maps[name].acts for name in layer.inputs]
        acts = outputs(layer, *sources)
        cycles = self.work(layer, sources, acts)
        if cycles > self.cycles:
            return None
        self.cycles -= cycles
        self.layers.append(layer)
        self.maps[layer.name] = Map(layer.name, acts, max(abs(layer.low), abs(layer.high), 1))
        return self.maps[layer.name]

    def work(self, layer: Layer, sources: Sequence[Acts], acts: Acts) -> float:
        """Cycles of a layer, roughly."""
        every = self.dense or not self.config.zero_skipping
        events = sum(source.size if every else int(np.count_nonzero(source)) for source in sources)
        per_event = float(np.prod(layer.kernel) / min(np.prod(layer.stride), np.prod(layer.kernel)))
        if layer.op.weighted and layer.groups == 1:
            per_event *= layer.cout / min(self.config.lanes, layer.cout)
        scanned = sum(source.size for source in sources) / self.config.detector_width
        return events * max(per_event, 1) + scanned + acts.size / self.config.post_units + 100 * len(acts) * len(sources)

    def source(self) -> Map:
        """Some map, most often the latest."""
        maps = list(reversed(self.maps.values()))
        return maps[0] if self.draws.chance(60) else self.draws.choice(maps)

    def chans(self, pixels: int) -> int:
        """Channels of a map of ``pixels``, around what planes, words, groups of outputs and registers hold."""
        config = self.config
        unit = self.draws.choice([1, config.post_units, config.lanes, 16, 64, config.detector_width])
        count = unit * self.draws.integer(1, 8 if unit == 1 else 3) + self.draws.choice([0, 0, 1, -1])
        if self.draws.chance(20):
            count = (1 << self.draws.integer(0, 7)) + self.draws.choice([0, 1, -1])
        return max(1, min(count, self.limits.chans, self.limits.cells // pixels))

    def window(self, source: Map, planes: int, inside: bool = False) -> tuple[dict[str, Any], int]:
        """A window over ``planes`` channels, and the pixels of its output."""
        limit = (self.limits.rows, max(self.limits.cols, source.shape[1]))
        found = window(self.draws, source.shape, limit, inside=inside)
        pixels, places = positions(source.shape, found)
        if pixels > self.limits.cells or places * planes > 64 * self.limits.cells:
            found, pixels = POINT, source.shape[0] * source.shape[1]
        return found, pixels

    def weight_bits(self) -> int:
        return self.draws.choice([8, 4, 2])

    def conv(self, source: Map, most: int | None = None) -> Map | None:
        """A convolution, of at most ``most`` output channels."""
        found, pixels = self.window(source, source.shape[2])
        cout = min(self.chans(pixels), most or self.limits.chans)
        bits = self.weight_bits()
        return self.append(made.conv(self.draws, self.next_name, source, cout, self.sum_max, weight_bits=bits, **found))

    def grouped(self, source: Map, groups: int) -> Map | None:
        """A convolution in groups, with one or a few output channels each."""
        found, pixels = self.window(source, source.shape[2])
        cout = groups * self.draws.integer(1, max(1, min(3, self.limits.cells // (pixels * groups))))
        bits = self.weight_bits()
        layer = made.conv(self.draws, self.next_name, source, cout, self.sum_max, groups=groups, weight_bits=bits, **found)
        return self.append(layer)

    def linear(self, source: Map, cout: int | None = None) -> Map | None:
        cout = cout or self.chans(max(1, source.acts[0].size // 64))
        return self.append(made.linear(self.draws, self.next_name, source, cout, self.sum_max, weight_bits=self.weight_bits()))

    def pool(self, source: Map, op: Operator, whole: bool) -> Map | None:
        """A pool, a maximum if sums do not fit."""
        size = source.shape[:2]
        found = POINT | {"kernel": size, "stride": size} if whole else self.window(source, source.shape[2], inside=True)[0]
        if int(np.prod(found["kernel"])) * source.reach > self.sum_max:
            op = MAXPOOL
        return self.append(made.pool(self.draws, op, self.next_name, source, **found))

    def like(self, source: Map) -> Map:
        """A map of the shape of ``source``: made of it, or another one, or it."""
        others = [other for other in self.maps.values() if other.shape == source.shape]
        if len(others) == 1 and not self.draws.chance(30):
            kernel, pad = self.draws.choice([((1, 1), (0, 0, 0, 0)), ((3, 1), (1, 1, 0, 0))])
            found, bits = POINT | {"kernel": kernel, "pad": pad}, self.weight_bits()
            layer = made.conv(self.draws, self.next_name, source, source.shape[2], self.sum_max, weight_bits=bits, **found)
            return self.append(layer) or source
        return self.draws.choice(others)

    def add(self, sources: list[Map]) -> Map | None:
        """A sum, if weights of 1 fit."""
        if sum(source.reach for source in sources) > self.sum_max:
            return None
        return self.append(made.add(self.draws, self.next_name, sources, self.sum_max))

    def concat(self, source: Map) -> Map | None:
        """The channels of ``source`` and of others, narrow and wide."""
        others = [other for other in self.maps.values() if other.shape[:2] == source.shape[:2]]
        sources = [source, *(self.draws.choice(others) for _ in range(self.draws.integer(1, 5)))]
        while len(sources) > 2 and sum(one.acts[0].size for one in sources) > 2 * self.limits.cells:
            sources.pop()
        return self.append(made.concat(self.draws, self.next_name, sources))

    def grow(self) -> None:
        """Append a layer or two, or none if that is too much work."""
        operation, source = self.draws.choice(_OPERATIONS), self.source()
        chans = source.shape[2]
        if operation == "conv":
            self.conv(source)
        elif operation == "narrow":  # a pass of few outputs before one of more
            self.conv(source, most=8)
            self.conv(self.source())
        elif operation == "depthwise":
            self.grouped(source, chans)
        elif operation == "grouped":
            self.grouped(source, self.draws.choice([n for n in range(1, chans + 1) if chans % n == 0]))
        elif operation == "linear":
            self.linear(source)
        elif operation == "add":
            self.add([source, *(self.like(source) for _ in range(self.draws.choice([1, 1, 2, 3, 7])))])
        elif operation == "concat":
            self.concat(source)
        else:
            op = AVGPOOL if operation == "mean" or (operation == "whole" and self.draws.chance(50)) else MAXPOOL
            self.pool(source, op, operation == "whole")

    def join_leaves(self) -> None:
        """Sum up maps that no layer reads, so that all of them count."""
        read = {name for layer in self.layers for name in layer.inputs}
        leaves = [self.maps[layer.name] for layer in self.layers if layer.name not in read][-8:]
        if len(leaves) > 1:
            joined = [self.linear(leaf, 5) for leaf in leaves]
            sources = [one for one in joined if one is not None]
            if len(sources) > 1:
                self.add(sources)

    def network(self, spec: MapSpec) -> Network:
        """The network of all layers that the last one depends on."""
        if not self.layers:
            self.layers.append(made.pool(self.draws, MAXPOOL, self.next_name, self.maps[INPUT], **POINT))
        self.layers[-1] = replace(self.layers[-1], winners=0)  # not on hardware
        needed = {self.layers[-1].name}
        for layer in reversed(self.layers):
            needed.update(layer.inputs if layer.name in needed else ())
        kept = tuple(layer for layer in self.layers if layer.name in needed)
        return Network(name="random", input=spec, layers=kept, output=kept[-1].name)


def _input(draws: Draws, config: CoreConfig, limits: Limits) -> MapSpec:
    """An input map, now and then as wide as the core takes."""
    rows, cols = draws.integer(1, limits.rows), draws.integer(1, limits.cols)
    if config.max_cols < 100 and draws.chance(15):
        cols = config.max_cols + draws.choice([0, 1, -1, config.max_cols])
    chans = min(draws.choice([1, 3, draws.integer(1, 24), draws.integer(1, limits.chans)]), limits.cells // (rows * cols))
    bits = draws.choice([8, 8, 4])
    low = draws.choice([0, -largest(bits), 0, -3])
    return MapSpec(height=rows, width=cols, chans=max(1, chans), scale=1.0, low=low, high=largest(bits), bits=bits)


def random_network(
    draws: Draws, config: CoreConfig, limits: Limits | None = None, *, dense: bool = False, winners: bool | None = None
) -> tuple[Network, Acts]:
    """A network of any kinds of layers, branches included, and inputs (N, rows, cols, chans) of any density.

    Parameters
    ----------
    config : CoreConfig
        Whose boundaries channels and columns are around, and whose accumulators all sums fit.
    limits : Limits, optional
    dense : bool
        Estimate the work in dense mode.
    winners : bool, optional
        Some layers have winners, but not the output; by default if the core can rank them.
    """
    limits = limits or Limits()
    spec = _input(draws, config, limits)
    inputs = random_inputs(draws, spec, draws.integer(1, limits.images))
    builder = _NetworkBuilder(
        draws, config, limits, dense, bool(config.winner_depth) and config.n_cores == 1 if winners is None else winners,
        {INPUT: Map(INPUT, inputs, max(abs(spec.low), spec.high))}, limits.cycles / draws.choice([4, 2, 1]),
    )  # fmt: skip
    for _ in range(draws.integer(1, limits.layers)):
        builder.grow()
    if draws.chance(50):
        builder.join_leaves()
    return builder.network(spec), inputs
