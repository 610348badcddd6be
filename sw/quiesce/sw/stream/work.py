"""What a network has to do in a stream: for the compiler, which decides by it what is computed from changes."""

import numpy as np
import numpy.typing as npt

from quiesce.sw.format.changes import delta_maps
from quiesce.sw.format.network import Network
from quiesce.sw.stream.reference import run_sequences
from quiesce.sw.stream.sending import Acts

__all__ = ["change_events", "saved_macs"]


def saved_macs(network: Network, sequences: Acts | None = None) -> dict[str, float]:
    """Effectual MACs of an item that each layer saves if it reads changes since the item before.

    Parameters
    ----------
    sequences : ndarray of int8, shape (B, T, rows, cols, chans), optional
        Calibration streams of at least two items; the first ones do not count. By default all dense MACs, as in a stream that
        stands still.

    Returns
    -------
    dict of str to float
        By layer; 0 where changes cannot be read, negative where there are more of them than activations.
    """
    if sequences is None:
        coded = delta_maps(network)
        return {layer.name: float(network.dense_macs(layer) * coded.issuperset(layer.inputs)) for layer in network.layers}
    counts = run_sequences(network, sequences).counts
    return {name: float((count.effectual_macs - count.delta_macs)[:, 1:].mean()) for name, count in counts.items()}


def change_events(network: Network, sequences: Acts) -> dict[str, npt.NDArray[np.float64]]:
    """Changes that are not zero, per item, of each channel of "input" and of every map, (chans,); see ``saved_macs``."""
    sent = run_sequences(network, sequences).sent
    return {name: (acts[:, 1:] != acts[:, :-1]).sum(axis=(2, 3)).mean(axis=(0, 1)) for name, acts in sent.items()}
