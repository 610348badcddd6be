"""Statistics of an integer network over a set of images: density, suppression and effectual work of each layer."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from quiesce.sw import reference
from quiesce.sw.data.quality import classes_of, quality
from quiesce.sw.format.network import INPUT, Network

__all__ = ["LayerStatistics", "Statistics", "statistics"]


@dataclass(frozen=True, kw_only=True)
class LayerStatistics:
    """Work of one layer, means over the images.

    Parameters
    ----------
    name : str
        Of the layer.
    density : float
        Nonzero share of its input activations, 0..1.
    events, effectual_macs : float
        Per image: nonzero inputs, and multiplications with both operands nonzero and a needed output.
    dense_macs : int
        Per image.
    reads_input : bool
        Whether its input is that of the network, which no training changes.
    """

    name: str
    density: float
    events: float
    effectual_macs: float
    dense_macs: int
    reads_input: bool = False


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """What a network does on a set of images.

    Parameters
    ----------
    network : str
        Its name.
    n_images : int
        All of which count.
    accuracy : float or None
        Share of images whose largest output is that of their label, or mean IoU where pixels have labels, 0..1; None without
        labels.
    layers : tuple of LayerStatistics
        In the order of computation.
    """

    network: str
    n_images: int
    accuracy: float | None
    layers: tuple[LayerStatistics, ...]

    @property
    def events(self) -> float:
        """Events per image, all layers."""
        return sum(layer.events for layer in self.layers)

    @property
    def effectual_macs(self) -> float:
        """Effectual MACs per image, all layers."""
        return sum(layer.effectual_macs for layer in self.layers)

    @property
    def dense_macs(self) -> int:
        """Dense MACs per image, all layers."""
        return sum(layer.dense_macs for layer in self.layers)

    def suppression(self, baseline: "Statistics") -> dict[str, float | None]:
        """Nonzeros of the baseline over nonzeros here, by layer and, as "all", of all activations that both have.

        These are the inputs of all layers but those that read the network's input. None where this network has no nonzeros, or
        the baseline no such layer.
        """
        before = {layer.name: layer.events for layer in baseline.layers}
        shared = [layer for layer in self.layers if layer.name in before and not layer.reads_input]
        ratios = {layer.name: _ratio(before.get(layer.name), layer.events) for layer in self.layers}
        return ratios | {"all": _ratio(sum(before[layer.name] for layer in shared), sum(layer.events for layer in shared))}

    def to_json(self, baseline: "Statistics | None" = None) -> dict[str, Any]:
        """All figures as JSON values, with the suppression if there is a baseline."""
        ratios: Mapping[str, float | None] = {} if baseline is None else self.suppression(baseline)
        return {
            "network": self.network,
            "baseline": None if baseline is None else baseline.network,
            "images": self.n_images,
            "accuracy": self.accuracy,
            "layers": [asdict(layer) | {"suppression": ratios.get(layer.name)} for layer in self.layers],
            "events": self.events,
            "effectual_macs": self.effectual_macs,
            "dense_macs": self.dense_macs,
            "suppression": ratios.get("all"),
        }


def _ratio(before: float | None, now: float) -> float | None:
    return before / now if before is not None and now else None


def statistics(network: Network, images: npt.NDArray[np.int8], labels: npt.NDArray[np.uint8] | None = None) -> Statistics:
    """Run the integer reference on images and count.

    Parameters
    ----------
    network : Network
    images : ndarray of int8, shape (N, rows, cols, chans)
        The whole set, at least one: shares of a few images say little.
    labels : ndarray of uint8, shape (N,) or (N, rows, cols), or None

    Raises
    ------
    FormatError
        The images are not what the network takes.
    """
    result = reference.run(network, images, keep_activations=False)
    inputs = {layer.name: layer.inputs for layer in network.layers}
    layers = tuple(
        LayerStatistics(
            name=name,
            density=counts.density,
            events=float(counts.events.mean()),
            effectual_macs=float(counts.effectual_macs.mean()),
            dense_macs=counts.dense_macs,
            reads_input=inputs[name] == (INPUT,),
        )
        for name, counts in result.counts.items()
    )
    right = None if labels is None else quality(classes_of(result.outputs, labels), labels)
    return Statistics(network=network.name, n_images=len(images), accuracy=right, layers=layers)
