"""Delta thresholds for a network that was never trained for streams, from what they cost in quality."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from quiesce.sw.format.changes import delta_maps
from quiesce.sw.format.errors import RangeError, ShapeError
from quiesce.sw.format.network import INPUT, Network
from quiesce.sw.reference import check_inputs
from quiesce.sw.stream.reference import StreamWalk
from quiesce.sw.stream.sending import Acts, send

__all__ = ["LADDER", "Quality", "accuracy", "choose_delta_thresholds", "closeness", "with_delta_thresholds"]

Quality = Callable[[Acts], float]
"""How good outputs (B, T, rows, cols, chans) are; more is better."""

LADDER = (1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64)
"""Thresholds that are tried, in steps of the map."""


def accuracy(labels: npt.NDArray[np.integer]) -> Quality:
    """Share of the items whose largest output is that of their class.

    Parameters
    ----------
    labels : ndarray of int, shape (B, T)
        Index of the output; negative ones are of items that do not count, such as the first of each stream.
    """
    counted = labels >= 0

    def quality(outputs: Acts) -> float:
        found = outputs.reshape(*outputs.shape[:2], -1).argmax(axis=2)
        return float((found == labels)[counted].mean())

    return quality


def closeness(expected: Acts) -> Quality:
    """Minus the root mean square of what outputs differ from those expected, over the standard deviation of these.

    It needs no labels, and as every output of every item tells something, it holds on other sequences better than the class does,
    which few items lose.
    """
    wanted = expected.astype(np.float64)
    deviation = max(float(wanted.std()), 1e-9)
    return lambda outputs: -float(np.sqrt(np.mean((outputs - wanted) ** 2))) / deviation


def with_delta_thresholds(network: Network, thresholds: Mapping[str, int | None]) -> Network:
    """The network with other delta thresholds of the maps that are named."""
    layers = tuple(replace(layer, delta_threshold=thresholds.get(layer.name, layer.delta_threshold)) for layer in network.layers)
    spec = replace(network.input, delta_threshold=thresholds.get(INPUT, network.input.delta_threshold))
    return replace(network, input=spec, layers=layers)


@dataclass(frozen=True)
class _Trial:
    """Thresholds, and what they lead to on the sequences: maps as computed and as sent, MACs of each layer, and quality."""

    thresholds: dict[str, int | None]
    acts: dict[str, Acts]
    sent: dict[str, Acts]
    macs: dict[str, int]
    quality: float

    @property
    def total_macs(self) -> int:
        return sum(self.macs.values())


class _Search:
    """Trials on some sequences; those without thresholds say what outputs are to be close to, unless a ``quality`` is given."""

    def __init__(self, network: Network, quality: Quality | None, dilation: int | None):
        self._network, self._quality, self._dilation = network, quality, dilation
        self._walk = StreamWalk(network, dilation)

    def start(self, sequences: Acts, thresholds: dict[str, int | None]) -> _Trial:
        return self._computed(_Trial(thresholds, {INPUT: sequences}, {}, {}, 0.0), INPUT)

    def changed(self, trial: _Trial, name: str, threshold: int) -> _Trial:
        """The same with another threshold of a map: only what follows it is computed."""
        return self._computed(replace(trial, thresholds=trial.thresholds | {name: threshold}), name)

    def _computed(self, trial: _Trial, first: str) -> _Trial:
        acts, sent, macs = dict(trial.acts), dict(trial.sent), dict(trial.macs)

        def update(name: str) -> None:
            dilation = self._dilation if name == INPUT else None
            sent[name] = send(acts[name], None, trial.thresholds[name], dilation=dilation)

        update(first)
        fresh = {first}
        for layer in self._network.layers:
            if not fresh.isdisjoint(layer.inputs):
                macs[layer.name] = int(self._walk.count(layer, sent, None).delta_macs.sum())
                acts[layer.name] = self._walk.acts(layer, sent)
                update(layer.name)
                fresh.add(layer.name)
        outputs = sent[self._network.output]
        if self._quality is None:
            self._quality = closeness(outputs)
        return _Trial(trial.thresholds, acts, sent, macs, self._quality(outputs))


def choose_delta_thresholds(
    network: Network,
    sequences: Acts,
    *,
    allowed_loss: float,
    quality: Quality | None = None,
    ladder: tuple[int, ...] = LADDER,
    dilation: int | None = None,
) -> Network:
    """Find delta thresholds for a network that need not have been trained for them.

    The maps that may be stored as changes (``delta_maps``) are visited from the input to the output. Each gets the threshold of
    the ladder with which the sequences take the fewest effectual MACs, of those, from the smallest up, that keep the quality
    within the part of the allowed loss that is due up to there: all maps have equal shares, and what one does not use is left
    to those after it. Where no threshold saves anything it is 0. Other maps are left as they are.

    What the thresholds cost is known on the sequences that they were found on only, and more than that on others: measure it
    on sequences that were used neither here nor in training.

    Parameters
    ----------
    network : Network
    sequences : ndarray of int8, shape (B, T, rows, cols, chans)
        B streams of T items; some hundreds of items in all. All their maps are held in memory.
    allowed_loss : float
        By which the quality may be less than without thresholds, not negative.
    quality : callable, optional
        Of outputs (B, T, rows, cols, chans), such as ``accuracy``; more is better. By default their ``closeness`` to those
        without thresholds.
    ladder : tuple of int
        Ascending, 1..254; what is beyond the range of a map is not tried.
    dilation : int or None
        Noise gate of the input, see ``DeltaInput``.

    Raises
    ------
    DtypeError, ShapeError, RangeError
        The sequences are not what the network takes, or are none, or a parameter is out of range.
    """
    check_inputs(network.input, sequences, axes=("B", "T"))
    if not sequences.size:
        raise ShapeError(f"sequences: shape {sequences.shape} has no items")
    if not allowed_loss >= 0:
        raise RangeError(f"allowed loss: {allowed_loss} is not at least 0")
    if not all(low < high for low, high in pairwise((0, *ladder))):
        raise RangeError(f"ladder: {ladder} does not ascend from 1 or more")
    search, coded = _Search(network, quality, dilation), delta_maps(network)
    visited = [name for name in network.shapes() if name in coded]
    thresholds = {name: 0 if name in coded else network.delta_threshold(name) for name in network.shapes()}
    best = search.start(sequences, thresholds)
    least = best.quality
    for name in visited:
        least -= allowed_loss / len(visited)
        before, spec = best, network.spec(name)
        for threshold in ladder:
            if threshold > spec.high - spec.low:
                break
            trial = search.changed(before, name, threshold)
            if trial.quality < least:
                break
            if trial.total_macs < best.total_macs:
                best = trial
    return with_delta_thresholds(network, {name: best.thresholds[name] for name in visited})
