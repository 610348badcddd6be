"""Integer reference of streams: what is sent of every map, bit for bit, and the work that it takes in full and as changes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from quiesce.sw.format.changes import delta_maps
from quiesce.sw.format.layer import Layer
from quiesce.sw.format.network import INPUT, Network
from quiesce.sw.reference import WorkCounter, check_inputs, outputs, split
from quiesce.sw.stream.sending import Acts, check_dilation, check_floor, send

__all__ = ["SequenceResult", "StreamCounts", "StreamItem", "StreamReference", "run_sequences"]

Counts = npt.NDArray[np.int64]
Changes = npt.NDArray[np.int16]


@dataclass(frozen=True, kw_only=True, eq=False)
class StreamCounts:
    """Work of one layer, of each item.

    Parameters
    ----------
    events, effectual_macs : ndarray of int64
        As in ``LayerCounts``, of what was sent of its inputs.
    delta_events, delta_macs : ndarray of int64
        Of the changes of these; of what was sent, too, if they cannot be stored as changes (``delta_maps``).
    """

    events: Counts
    effectual_macs: Counts
    delta_events: Counts
    delta_macs: Counts

    def reshaped(self, shape: tuple[int, ...]) -> "StreamCounts":
        """The same with items along other axes."""
        return StreamCounts(**{field.name: getattr(self, field.name).reshape(shape) for field in fields(self)})


@dataclass(frozen=True, kw_only=True, eq=False)
class SequenceResult:
    """Outcome for T items of each of B streams.

    Parameters
    ----------
    outputs : ndarray of int8, shape (B, T, rows, cols, chans)
        What was sent of the network's output layer.
    sent : dict of str to ndarray of int8, shape (B, T, rows, cols, chans)
        What was sent of "input" and of every layer's map, the item included.
    counts : dict of str to StreamCounts
        Layer name -> work, (B, T), in topological order.
    """

    outputs: Acts
    sent: dict[str, Acts]
    counts: dict[str, StreamCounts]

    @property
    def effectual_macs(self) -> Counts:
        """Of each item, all layers, all maps stored in full; (B, T)."""
        return _total(count.effectual_macs for count in self.counts.values())

    @property
    def delta_macs(self) -> Counts:
        """Of each item, all layers, the maps stored as changes that can be; (B, T)."""
        return _total(count.delta_macs for count in self.counts.values())


def _total(counts: Iterable[Counts]) -> Counts:
    total: Counts = np.sum(list(counts), axis=0, dtype=np.int64)
    return total


@dataclass(frozen=True, kw_only=True, eq=False)
class StreamItem(SequenceResult):
    """Outcome for one item: as ``SequenceResult``, without the axes (B, T).

    Parameters
    ----------
    deltas : dict of str to ndarray of int16, shape (rows, cols, chans)
        What was sent less what had been before, of "input" and of every layer's map, -254..254; what was sent, in the first item.
    """

    deltas: dict[str, Changes]


class StreamWalk:
    """Computes maps and work of many items of many streams, layer by layer.

    Parameters
    ----------
    network : Network
    dilation : int or None
        Of the input, see ``DeltaInput``.
    """

    def __init__(self, network: Network, dilation: int | None = None):
        check_dilation(dilation)
        self.network, self._dilation = network, dilation
        self._shapes, self._counter, self._deltas = network.shapes(), WorkCounter(network), delta_maps(network)

    def acts(self, layer: Layer, sent: Mapping[str, Acts]) -> Acts:
        """What a layer computes of what was sent, (B, T, rows, cols, chans)."""
        sources = [sent[name] for name in layer.inputs]
        n_streams, n_items = sources[0].shape[:2]
        flat = [source.reshape(-1, *source.shape[2:]) for source in sources]
        acts = np.empty((n_streams * n_items, *self._shapes[layer.name]), np.int8)
        for batch in split(len(acts), layer.op.cells(layer, [self._shapes[name] for name in layer.inputs])):
            acts[batch] = outputs(layer, *(source[batch] for source in flat))
        return acts.reshape(n_streams, n_items, *acts.shape[1:])

    def sent(self, frames: Acts, before: Mapping[str, Acts] | None, floor: int) -> dict[str, Acts]:
        """What was sent of every map, for frames (B, T, rows, cols, chans) and what was sent ``before`` them, (B, ...)."""
        sent: dict[str, Acts] = {}
        for name in self._shapes:
            acts = frames if name == INPUT else self.acts(self.network.layer(name), sent)
            threshold = self.network.delta_threshold(name)
            sent[name] = send(
                acts,
                None if before is None else before[name],
                None if threshold is None else max(threshold, floor),
                dilation=self._dilation if name == INPUT else None,
            )
        return sent

    def count(self, layer: Layer, sent: Mapping[str, Acts], before: Mapping[str, Acts] | None) -> StreamCounts:
        """Work of a layer, (B, T)."""
        n_streams, n_items = sent[INPUT].shape[:2]

        def work(*nonzero: npt.NDArray[np.bool_]) -> tuple[Counts, Counts]:
            return self._counter.events_and_macs(layer, *(each.reshape(-1, *each.shape[2:]) for each in nonzero))

        events, macs = work(*(sent[name] != 0 for name in layer.inputs))
        delta_events, delta_macs = events, macs
        if self._deltas.issuperset(layer.inputs):
            delta_events, delta_macs = work(
                *(_changed(sent[name], None if before is None else before[name]) for name in layer.inputs)
            )
        counts = StreamCounts(events=events, effectual_macs=macs, delta_events=delta_events, delta_macs=delta_macs)
        return counts.reshaped((n_streams, n_items))


def _changed(sent: Acts, before: Acts | None) -> npt.NDArray[np.bool_]:
    """Where what was sent is not what had been sent before, which is zero for the first item of a stream."""
    changed = np.empty(sent.shape, np.bool_)
    np.not_equal(sent[:, 0], 0 if before is None else before, out=changed[:, 0])
    np.not_equal(sent[:, 1:], sent[:, :-1], out=changed[:, 1:])
    return changed


def run_sequences(network: Network, sequences: Acts, *, floor: int = 0, dilation: int | None = None) -> SequenceResult:
    """Compute B streams of T items each, from their first items: what ``StreamReference`` does, but much faster.

    All maps of all items are held in memory, a byte for each activation.

    Parameters
    ----------
    network : Network
    sequences : ndarray of int8, shape (B, T, rows, cols, chans)
        Within the range of ``network.input``.
    floor, dilation : int, int or None
        As of ``StreamReference``.

    Raises
    ------
    DtypeError, ShapeError, RangeError
        The sequences are not what the network takes, or the floor or the dilation is out of range.
    """
    check_inputs(network.input, sequences, axes=("B", "T"))
    check_floor(floor)
    walk = StreamWalk(network, dilation)
    sent = walk.sent(sequences, None, floor)
    counts = {layer.name: walk.count(layer, sent, None) for layer in network.layers}
    return SequenceResult(outputs=sent[network.output], sent=sent, counts=counts)


class StreamReference:
    """Computes a network on the items of one stream, one after the other, and counts their work.

    Parameters
    ----------
    network : Network
        With the delta threshold of each map.
    dilation : int or None
        Noise gate of the input, see ``DeltaInput``.

    Raises
    ------
    DtypeError, RangeError
        The dilation is no integer that is not negative.
    """

    def __init__(self, network: Network, *, dilation: int | None = None):
        self.network = network
        self._walk = StreamWalk(network, dilation)
        self._before: dict[str, Acts] | None = None

    def reset(self) -> None:
        """The next frame begins a stream."""
        self._before = None

    def push(self, frame: Acts, floor: int = 0) -> StreamItem:
        """Compute the next item.

        Parameters
        ----------
        frame : ndarray of int8, shape (rows, cols, chans)
            Within the range of ``network.input``.
        floor : int
            Least delta threshold of the maps that have one, 0..255, as in register DELTA_THRESHOLD.

        Raises
        ------
        DtypeError, ShapeError, RangeError
            The frame is not what the network takes, or the floor is out of range; the stream goes on with the next frame.
        """
        check_inputs(self.network.input, frame, axes=())
        check_floor(floor)
        before = self._before
        sent = self._walk.sent(frame[None, None].copy(), before, floor)
        counts = {layer.name: self._walk.count(layer, sent, before).reshaped(()) for layer in self.network.layers}
        maps = {name: acts[0, 0] for name, acts in sent.items()}
        deltas = {name: acts.astype(np.int16) - (0 if before is None else before[name][0]) for name, acts in maps.items()}
        self._before = {name: acts[:, 0] for name, acts in sent.items()}
        return StreamItem(outputs=maps[self.network.output], sent=maps, counts=counts, deltas=deltas)
