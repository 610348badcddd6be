"""Channel order: same results, less work for the busiest PE."""

from dataclasses import replace

import numpy as np
import pytest

from quiesce.spec.config import preset
from quiesce.sw import reference
from quiesce.sw.compiler import compile_network
from quiesce.sw.compiler.lower.balance import balanced
from quiesce.sw.format.ops import MAXPOOL
from tests import networks

BASE = preset("base")


def pruned(layer, rng, least=0.05, most=0.6):
    """The layer with a density of its own for each output channel."""
    density = rng.uniform(least, most, layer.cout).reshape(-1, *[1] * (layer.weight.ndim - 1))
    return replace(layer, weight=np.where(rng.random(layer.weight.shape) < density, layer.weight, 0).astype(np.int8))


def mixed_network(rng):
    layers = [
        pruned(networks.conv(rng, "a", "input", 3, 64, (3, 3), pad=(1, 1, 1, 1)), rng),
        networks.pool(MAXPOOL, "p", "a", 64, (2, 2)),
        networks.conv(rng, "d", "p", 64, 64, (3, 3), groups=64, pad=(1, 1, 1, 1)),
        networks.conv(rng, "g", "d", 64, 32, (1, 1), groups=4),
        pruned(networks.conv(rng, "b", "g", 32, 50, (3, 3), stride=(2, 2)), rng),
        pruned(networks.linear(rng, "f", "b", 50, 70), rng),
        networks.linear(rng, "out", "f", 70, 10),
    ]
    return networks.network(layers, (8, 8, 3))


def busiest(layer, config):
    """Nonzero weights of the busiest PE, over the mean."""
    work = np.count_nonzero(layer.weight.reshape(layer.cout, -1), axis=1)
    padded = np.zeros(-(-layer.cout // config.lanes) * config.lanes)
    padded[: layer.cout] = work
    work = padded.reshape(-1, config.n_pes, config.n_lanes).sum(axis=(0, 2))
    return work.max() / work.mean()


@pytest.mark.parametrize("lanes", [1, 4])
def test_outputs_events_and_macs_stay(lanes):
    rng = np.random.default_rng(1)
    net = mixed_network(rng)
    inputs = networks.inputs(rng, net, 3, 0.6)
    config = replace(BASE, n_pes=BASE.n_pes // lanes, n_lanes=lanes)
    other = balanced(net, config)
    assert any(not np.array_equal(layer.weight, net.layer(layer.name).weight) for layer in other.layers if layer.op.weighted)
    before, after = reference.run(net, inputs), reference.run(other, inputs)
    np.testing.assert_array_equal(before.outputs, after.outputs)
    for name, counts in before.counts.items():
        np.testing.assert_array_equal(counts.events, after.counts[name].events)
        np.testing.assert_array_equal(counts.effectual_macs, after.counts[name].effectual_macs)


def test_busiest_pe_has_little_more_than_the_mean():
    rng = np.random.default_rng(2)
    net = networks.network(
        [
            pruned(networks.conv(rng, "a", "input", 16, 128, (3, 3)), rng),
            networks.linear(rng, "out", "a", 36 * 128, 10),
        ],
        (8, 8, 16),
    )
    assert busiest(net.layer("a"), BASE) > 1.15
    assert busiest(balanced(net, BASE).layer("a"), BASE) < 1.01


def test_expected_events_count():
    """A channel whose weights meet the frequent events is heavy, whatever their number."""
    rng = np.random.default_rng(3)
    weight = np.zeros((32, 1, 1, 2), np.int8)
    weight[:16, ..., 0] = 1  # the first sixteen channels read a busy channel, the others a quiet one
    weight[16:, ..., 1] = 1
    layer = replace(networks.conv(rng, "a", "input", 2, 32, (1, 1)), weight=weight)
    net = networks.network([layer, networks.linear(rng, "out", "a", 32, 4)], (1, 1, 2))
    config = replace(BASE, n_pes=8, post_units=4)
    assert balanced(net, config) is net
    uneven = weight.copy()
    uneven[[0, 8], ..., 1] = 1  # PE 0 now has the heaviest channels
    net = networks.network([replace(layer, weight=uneven), networks.linear(rng, "out", "a", 32, 4)], (1, 1, 2))
    rates = {"input": np.array([100.0, 1.0])}
    work = (uneven.reshape(32, 2) != 0) @ rates["input"]
    moved = (balanced(net, config, events=rates).layer("a").weight.reshape(32, 2) != 0) @ rates["input"]
    assert moved.reshape(-1, 8).sum(axis=0).max() < work.reshape(-1, 8).sum(axis=0).max()


def test_calibration_data_tell_the_events():
    rng = np.random.default_rng(5)
    net = mixed_network(rng)
    inputs = networks.inputs(rng, net, 2, 0.5)
    inputs[..., 1] = 0
    events = reference.channel_events(net, inputs)
    assert events["input"][1] == 0
    for name in ("a", "b"):
        assert events[name].sum() == np.mean(np.count_nonzero(reference.run(net, inputs).activations[name], axis=(1, 2, 3)))
    program = compile_network(net, BASE, events=events)
    np.testing.assert_array_equal(reference.run(program.network, inputs).outputs, reference.run(net, inputs).outputs)


def test_dense_weights_keep_their_order():
    rng = np.random.default_rng(4)
    layers = [networks.conv(rng, "a", "input", 4, 48, (3, 3)), networks.linear(rng, "out", "a", 48, 10)]
    for layer in layers:
        layer.weight.setflags(write=True)
        layer.weight[layer.weight == 0] = 1
    net = networks.network(layers, (3, 3, 4))
    assert balanced(net, BASE) is net
