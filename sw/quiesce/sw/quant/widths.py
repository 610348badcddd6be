"""Which tensors take fewer bits than eight."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from quiesce.sw.format.checks import ACT_WIDTHS, WEIGHT_WIDTHS
from quiesce.sw.format.network import INPUT
from quiesce.sw.quant.errors import QuantizeError

__all__ = ["Widths"]


@dataclass(frozen=True, kw_only=True)
class Widths:
    """Bits of weights and activations.

    Parameters
    ----------
    weights : int
        Bits of a weight, 8, 4 or 2, of layers that ``weights_of`` does not name.
    activations : int
        Bits of an activation, 8 or 4, of maps that ``activations_of`` does not name. The input of the network, and its output,
        whose values are compared with each other, take 8 if they are not named.
    weights_of, activations_of : mapping of str to int
        Exceptions by the name of the layer, or "input".

    Raises
    ------
    QuantizeError
        A width that the format does not have.
    """

    weights: int = 8
    activations: int = 8
    weights_of: Mapping[str, int] = field(default_factory=dict)
    activations_of: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, allowed in (("weights", WEIGHT_WIDTHS), ("activations", ACT_WIDTHS)):
            exceptions = getattr(self, f"{name}_of")
            if not isinstance(exceptions, Mapping):
                raise QuantizeError(f"{name}_of: {exceptions!r} is not a table of layers and bits")
            where = {name: getattr(self, name)} | {f"{name}_of: {layer}": bits for layer, bits in exceptions.items()}
            for key, bits in where.items():
                if isinstance(bits, bool) or bits not in allowed:
                    raise QuantizeError(f"{key}: {bits!r} is not one of {', '.join(map(str, allowed))} bits")

    def check_names(self, layers: Iterable[str]) -> None:
        """Raise QuantizeError if a layer of another name is an exception."""
        known = set(layers)
        for exceptions, allowed in ((self.weights_of, known), (self.activations_of, known | {INPUT})):
            if unknown := sorted(set(exceptions) - allowed):
                raise QuantizeError(f"width for {unknown[0]!r}: there is no such layer")

    def of_weights(self, layer: str) -> int:
        """Bits of a weight of the named layer."""
        return self.weights_of.get(layer, self.weights)

    def of_activations(self, name: str, output: str) -> int:
        """Bits of an activation of the named map, in a network with this ``output``."""
        return self.activations_of.get(name, 8 if name in (INPUT, output) else self.activations)
