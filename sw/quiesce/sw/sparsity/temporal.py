"""Statistics of an integer network over streams that it computes on changes from frame to frame."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from quiesce.sw.data.quality import classes_of, quality
from quiesce.sw.format.network import INPUT, Network
from quiesce.sw.sparsity.statistics import LayerStatistics, Statistics
from quiesce.sw.stream import run_sequences

__all__ = ["temporal_statistics"]


def temporal_statistics(
    network: Network, acts: npt.NDArray[np.int8], labels: npt.NDArray[np.uint8] | None, streams: Sequence[slice]
) -> Statistics:
    """Run the integer reference of streams, and count what changes; means over all frames but the first ones of streams.

    Density, events and effectual MACs are those of the changes of a layer's inputs, or of all of them where these cannot be
    stored as changes, see ``quiesce.sw.stream.delta_maps``.

    Parameters
    ----------
    network : Network
        With its delta thresholds.
    acts : ndarray of int8, shape (N, rows, cols, chans)
        Frames.
    labels : ndarray of uint8, shape (N,), or None
    streams : sequence of slice
        Where each stream lies.

    Raises
    ------
    FormatError
        The frames are not what the network takes.
    ValueError
        No stream has a second frame.
    """
    totals = {layer.name: np.zeros(2, np.int64) for layer in network.layers}
    found, right = [], []
    n_frames = sum(stream.stop - stream.start - 1 for stream in streams)
    if not n_frames:
        raise ValueError("no stream has a second frame")
    for stream in streams:
        result = run_sequences(network, acts[stream][None])
        if labels is not None:
            found.append(classes_of(result.outputs[0, 1:], labels[stream][1:]))
            right.append(labels[stream][1:])
        for name, counts in result.counts.items():
            totals[name] += int(counts.delta_events[0, 1:].sum()), int(counts.delta_macs[0, 1:].sum())
    shapes = network.shapes()
    layers = tuple(
        LayerStatistics(
            name=layer.name,
            density=int(totals[layer.name][0]) / (n_frames * sum(int(np.prod(shapes[source])) for source in layer.inputs)),
            events=int(totals[layer.name][0]) / n_frames,
            effectual_macs=int(totals[layer.name][1]) / n_frames,
            dense_macs=network.dense_macs(layer),
            reads_input=layer.inputs == (INPUT,),
        )
        for layer in network.layers
    )
    accuracy = None if labels is None else quality(np.concatenate(found), np.concatenate(right))
    return Statistics(network=network.name, n_images=n_frames, accuracy=accuracy, layers=layers)
