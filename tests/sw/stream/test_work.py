"""What the compiler is told of streams."""

import numpy as np
import pytest

from quiesce.sw.format.ops import MAXPOOL
from quiesce.sw.stream import change_events, run_sequences, saved_macs
from tests import networks
from tests.sw.stream.streams import random_frames


@pytest.fixture
def network():
    rng = np.random.default_rng(0)
    layers = [
        networks.conv(rng, "a", "input", 1, 4, (3, 3), pad=(1, 1, 1, 1)),
        networks.pool(MAXPOOL, "max", "a", 4, (2, 2)),
        networks.linear(rng, "fc", "max", 36, 5),
    ]
    return networks.network(layers, (6, 6, 1), low=-127)


def test_what_stands_still_saves_everything(network):
    dense = {layer.name: network.dense_macs(layer) for layer in network.layers}
    assert saved_macs(network) == dense | {"max": 0}  # a maximum reads its input in full
    still = np.repeat(random_frames(np.random.default_rng(1), network.input, (2, 1), 1.0), 3, axis=1)
    counts = run_sequences(network, still).counts
    assert saved_macs(network, still) == {
        name: count.effectual_macs[:, 1:].mean() * (name != "max") for name, count in counts.items()
    }
    assert not any(events.any() for events in change_events(network, still).values())


def test_what_changes_all_over_saves_nothing(network):
    """Where a value and its change are both not zero nothing is won, and where it was and now is zero something is lost."""
    frames = np.zeros((1, 4, 6, 6, 1), np.int8)
    frames[:, ::2] = 50
    saved = saved_macs(network, frames)
    assert saved["a"] < 0
    events = change_events(network, frames)
    assert events["input"].tolist() == [36]
    assert set(events) == {"input", "a", "max", "fc"} and events["a"].shape == (4,)
