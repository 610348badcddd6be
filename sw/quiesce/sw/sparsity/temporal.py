"""Statistics of an integer network over streams that it computes on changes from frame to frame."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from quiesce.sw.data.frames import clip_starts, held_back
from quiesce.sw.data.quality import classes_of, quality
from quiesce.sw.format.network import INPUT, Network
from quiesce.sw.quant.forward import quantized_forward
from quiesce.sw.sparsity.accounting import layer_macs
from quiesce.sw.sparsity.statistics import LayerStatistics, Statistics

__all__ = ["temporal_statistics"]

_BATCH = 512


@torch.no_grad()
def temporal_statistics(
    network: Network, acts: npt.NDArray[np.int8], labels: npt.NDArray[np.uint8], starts: npt.NDArray[np.bool_], threshold: int = 0
) -> Statistics:
    """Means over all frames but the first ones of streams, where changes are what events are::

        event: act[t] != act[t - 1]        effectual MAC: an event and a weight other than 0, and a needed output

    Changes of the input of up to ``threshold`` steps are held back by the host; layers send all of theirs. Outputs are those of
    each frame by itself. Inputs of layers that are not linear (maximum pooling, winners after them) count as if they were.

    Parameters
    ----------
    acts : ndarray of int8, shape (N, rows, cols, chans)
        Frames of streams.
    labels : ndarray of uint8, shape (N,)
    starts : ndarray of bool, shape (N,)
        First frames.
    threshold : int
        Delta threshold of the input.

    Raises
    ------
    ValueError
        The frames are not what the network takes, or there is no second frame in any stream.
    """
    sent = held_back(acts, starts, threshold)
    seconds = clip_starts(starts, 2) + 1
    if not len(seconds):
        raise ValueError("no stream has a second frame")
    module = quantized_forward(network)
    inputs: dict[str, tuple[torch.Tensor, ...]] = {}

    def watch(step: nn.Module, maps: tuple[Any, ...]) -> None:
        inputs[step.layer.name] = maps  # type: ignore[union-attr, index]

    for step in module.layers:
        step.register_forward_pre_hook(watch)
    outputs, layers = [], {layer.name: layer for layer in network.layers}
    events, sizes, macs = ({name: 0 for name in layers} for _ in range(3))
    for part in np.array_split(seconds, -(-len(seconds) // _BATCH)):
        # Frames in a row share their neighbours: each is computed once.
        frames = np.union1d(part, part - 1)
        found = module(torch.from_numpy(sent[frames])).numpy()
        now, before = (torch.from_numpy(np.searchsorted(frames, which)) for which in (part, part - 1))
        outputs.append(found[now.numpy()])
        for name, maps in inputs.items():
            changed = [one[now] != one[before] for one in maps]
            events[name] += sum(int(one.sum()) for one in changed)
            sizes[name] += sum(one.numel() for one in changed)
            macs[name] += int(layer_macs(layers[name], *changed).sum())
    shapes = network.shapes()
    statistics = tuple(
        LayerStatistics(
            name=name, density=events[name] / sizes[name], events=events[name] / len(seconds),
            effectual_macs=macs[name] / len(seconds), dense_macs=_dense_macs(network, name, shapes),
            reads_input=layer.inputs == (INPUT,),
        )
        for name, layer in layers.items()
    )  # fmt: skip
    right = quality(classes_of(np.concatenate(outputs), labels[seconds]), labels[seconds])
    return Statistics(network=network.name, n_images=len(seconds), accuracy=right, layers=statistics)
