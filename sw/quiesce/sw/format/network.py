"""A quantised network: an input map and a directed acyclic graph of layers."""

from dataclasses import dataclass, field
from math import isclose

from quiesce.sw.format.checks import check_name
from quiesce.sw.format.errors import AccumulatorError, DtypeError, GraphError, ScaleError, SizeLimitError
from quiesce.sw.format.geometry import MapShape
from quiesce.sw.format.layer import Layer, MapSpec

__all__ = ["INPUT", "MAX_LAYERS", "Layer", "MapSpec", "Network", "sort_layers"]

INPUT = "input"
"""Name by which layers refer to the input of the network."""
MAX_LAYERS = 1024


def sort_layers(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """Layers in an order in which each follows all its inputs; layers that are so already keep their order.

    Raises
    ------
    GraphError
        Duplicate name, unknown input, or a cycle.
    """
    by_name: dict[str, Layer] = {}
    for layer in layers:
        if layer.name in by_name:
            raise GraphError(f"layer {layer.name!r}: duplicate name")
        by_name[layer.name] = layer
    for layer in layers:
        for name in layer.inputs:
            if name != INPUT and name not in by_name:
                raise GraphError(f"layer {layer.name!r}: input {name!r} is no layer")
    done = {INPUT}
    ordered: list[Layer] = []
    while len(ordered) < len(layers):
        ready = [layer for layer in layers if layer.name not in done and done.issuperset(layer.inputs)]
        if not ready:
            waiting = [layer.name for layer in layers if layer.name not in done]
            raise GraphError(f"cycle among or before layers {', '.join(waiting)}")
        # One at a time: the order given is kept wherever it is already right.
        ordered.append(ready[0])
        done.add(ready[0].name)
    return tuple(ordered)


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """A network that is valid by construction.

    Parameters
    ----------
    name : str
        1..64 letters, digits, ``_ . : -``.
    input : MapSpec
        The input map.
    layers : tuple of Layer
        In any order; kept topologically sorted. Every layer contributes to the output.
    output : str
        Name of the layer whose activations are the result.
    metadata : dict of str to str
        Free text (origin, accuracy, ...), ignored by compiler and reference.

    Raises
    ------
    FormatError
        GraphError, ShapeError, ScaleError, SizeLimitError, AccumulatorError or DtypeError with the layer's name.
    """

    name: str
    input: MapSpec
    layers: tuple[Layer, ...]
    output: str
    metadata: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name(self.name, "network")
        check_name(self.output, "network: output")
        if not isinstance(self.layers, tuple) or not all(isinstance(layer, Layer) for layer in self.layers):
            raise DtypeError("network: layers is not a tuple of Layer")
        if len(self.layers) > MAX_LAYERS:
            raise SizeLimitError(f"network: {len(self.layers)} layers are more than {MAX_LAYERS}")
        object.__setattr__(self, "layers", sort_layers(self.layers))
        self.validate()

    def validate(self) -> None:
        """Check the graph, the shapes, the scales and the accumulators; the constructor has done so already."""
        metadata = self.metadata
        if not isinstance(metadata, dict) or not all(isinstance(text, str) for item in metadata.items() for text in item):
            raise DtypeError("network: metadata is not a dictionary of strings to strings")
        self._check_used()
        self.shapes()
        for layer in self.layers:
            if layer.op.maximum and not isclose(layer.out_scale, self.scale(layer.inputs[0]), rel_tol=1e-6):
                raise ScaleError(f"layer {layer.name!r}: a maximum keeps its input's scale {self.scale(layer.inputs[0])!r}")
            low, high = self.accumulator_bounds(layer)
            if low < -(1 << 31) or high >= 1 << 31:
                raise AccumulatorError(f"layer {layer.name!r}: sums reach {low}..{high}, beyond 32 bits")

    def _check_used(self) -> None:
        if self.output not in {layer.name for layer in self.layers}:
            raise GraphError(f"network: output {self.output!r} is no layer")
        needed = {self.output}
        for layer in reversed(self.layers):
            if layer.name not in needed:
                raise GraphError(f"layer {layer.name!r}: does not contribute to the output {self.output!r}")
            needed.update(layer.inputs)

    def layer(self, name: str) -> Layer:
        """The layer of this name; GraphError if there is none."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise GraphError(f"network {self.name!r}: no layer {name!r}")

    def shapes(self) -> dict[str, MapShape]:
        """Shape (rows, cols, chans) of "input" and of every layer's output, in order.

        Raises
        ------
        ShapeError
            A layer does not fit its inputs.
        """
        shapes = {INPUT: self.input.shape}
        for layer in self.layers:
            shapes[layer.name] = layer.output_shape(*(shapes[name] for name in layer.inputs))
        return shapes

    def scale(self, name: str) -> float:
        """Real value of one step of the named map ("input" or a layer's output)."""
        return self.input.scale if name == INPUT else self.layer(name).out_scale

    def spec(self, name: str) -> MapSpec | Layer:
        """What has the bits, the range and the delta threshold of the named map: the input's specification, or the layer."""
        return self.input if name == INPUT else self.layer(name)

    def bits(self, name: str) -> int:
        """Bits of an activation of the named map in memory."""
        return self.spec(name).bits

    def delta_bits(self, name: str) -> int:
        """Bits of a change of an activation of the named map in memory: twice those of an activation where it has both signs."""
        low, high = self.limits(name)
        return 2 * self.bits(name) if low < 0 < high else self.bits(name)

    def delta_threshold(self, name: str) -> int | None:
        """Changes of the named map of at most so many steps are held back in a stream; None: none ever is."""
        return self.spec(name).delta_threshold

    def limits(self, name: str) -> tuple[int, int]:
        """Least and greatest integer of the named map, zero included (as padding reads it)."""
        source = self.spec(name)
        return min(source.low, 0), max(source.high, 0)

    def accumulator_bounds(self, layer: Layer) -> tuple[int, int]:
        """Least and greatest value that a sum of the layer, bias included, and any part of it, can reach.

        Zero lies within the bounds, and so does every partial sum in every order of accumulation.
        """
        return layer.op.bounds(layer, [self.limits(name) for name in layer.inputs])

    def dense_macs(self, layer: Layer) -> int:
        """Multiplications of a dense engine for one image, see ``Operator.dense_macs``."""
        shapes = self.shapes()
        return layer.op.dense_macs(layer, [shapes[name] for name in layer.inputs])
