"""Trained networks on real digits, and random networks, bit for bit on the RTL."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quiesce import models
from quiesce.sim import Bus, RunOptions, cosim
from quiesce.sw import reference
from quiesce.sw.data import mnist
from quiesce.sw.format.ops import AVGPOOL, MAXPOOL
from tests import networks
from tests.sim.cores import PLAIN, TINY

N_DIGITS = 200
N_DENSE = 50  # dense mode takes six times as long, and hardly depends on the digit
STREAMING = replace(TINY, mask_depth=64, weight_depth=64)


@pytest.mark.parametrize("name", ["lenet5", "lenet5-sparse"])
def test_digits(name):
    digits = mnist.sample()
    inputs = mnist.quantize_images(digits.images[:N_DIGITS])
    network = models.load(name)
    expected = reference.run(network, inputs)
    runs = [
        cosim(
            network, inputs[:count], labels=digits.labels[:count], options=RunOptions(dense=dense, energy=False, simulator="loop")
        )
        for dense, count in ((False, N_DIGITS), (True, N_DENSE))
    ]
    for run in runs:
        assert run.bit_exact, run.mismatch
        np.testing.assert_array_equal(run.outputs, expected.outputs[: run.items])
        assert run.accuracy >= 0.98
        for layer in run.layers:
            assert layer.events == expected.counts[layer.name].events[: run.items].sum()
    sparse, dense = (run.cycles / run.items for run in runs)
    assert sparse < dense / 2


def draw_layers(draw, rng):
    """One to three layers whose maps fit each other."""
    rows, cols, chans = shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 40)))
    layers, source = [], "input"
    for index in range(draw(st.integers(1, 3))):
        name = f"layer{index}"
        kind = draw(st.sampled_from(["conv", "depthwise", "pool", "mean", "linear"]))
        widths = {"weight_bits": draw(st.sampled_from([8, 4, 2])), "bits": draw(st.sampled_from([8, 4]))}
        kernel = tuple(draw(st.integers(1, min(5, size + 1))) for size in (rows, cols))
        stride = tuple(draw(st.integers(1, 3)) for _ in kernel)
        most = [(k - 1) // 2 if kind in ("pool", "mean") else k - 1 for k in kernel]
        pad = tuple(draw(st.integers(0, most[axis])) for axis in (0, 0, 1, 1))
        sizes = [(n + before + after - k) // s + 1 for n, before, after, k, s in zip(
            (rows, cols), pad[::2], pad[1::2], kernel, stride, strict=True)]  # fmt: skip
        if kind != "linear" and min(sizes) < 1:
            kind = "linear"
        if kind == "conv":
            couts = draw(st.integers(1, 21))
            density = draw(st.sampled_from([1.0, 0.3]))
            layers.append(networks.conv(
                rng, name, source, chans, couts, kernel, stride=stride, pad=pad, density=density, **widths,
            ))  # fmt: skip
            rows, cols, chans = *sizes, couts
        elif kind == "depthwise":
            layers.append(networks.conv(rng, name, source, chans, chans, kernel, stride=stride, pad=pad, groups=chans, **widths))
            rows, cols = sizes
        elif kind == "linear":
            couts = draw(st.integers(1, 30))
            layers.append(networks.linear(
                rng, name, source, rows * cols * chans, couts, density=0.7, low=0, **widths,
            ))  # fmt: skip
            rows, cols, chans = 1, 1, couts
        else:
            pool = MAXPOOL if kind == "pool" else AVGPOOL
            layers.append(networks.pool(pool, name, source, chans, kernel, stride=stride, pad=pad, bits=widths["bits"]))
            rows, cols = sizes
        source = name
    return layers, shape


@given(st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_networks(data):
    seed = data.draw(st.integers(0, 2**32 - 1), label="seed")
    rng = np.random.default_rng(seed)
    layers, shape = draw_layers(data.draw, rng)
    low = data.draw(st.sampled_from([0, -127]), label="low")
    network = networks.network(layers, shape, low=low, bits=data.draw(st.sampled_from([8, 4]), label="input bits"))
    inputs = networks.inputs(rng, network, 2, data.draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]), label="density"))
    dense, stall = data.draw(st.booleans(), label="dense"), data.draw(st.sampled_from([0, 100]), label="stall")
    config = data.draw(st.sampled_from([TINY, STREAMING, PLAIN]), label="config")
    latency = data.draw(st.sampled_from([2, 5, 200]), label="latency")
    cold = data.draw(st.booleans(), label="cold")
    bus = Bus(latency=latency, stall=stall, seed=seed & 0xFFFF | 1)
    options = RunOptions(dense=dense, cold=cold, bus=bus, energy=False, simulator="loop")
    run = cosim(network, inputs, config=config, options=options)
    assert run.bit_exact, run.mismatch


def test_plain_core_keeps_its_lanes_busy():
    """Without zero-skipping, a convolution takes a cycle for each MAC of a lane, whatever the activations."""
    rng = np.random.default_rng(6)
    layers = [networks.conv(rng, "c1", "input", 12, 16, (3, 3)), networks.conv(rng, "c2", "c1", 16, 8, (3, 3), pad=(1, 1, 1, 1))]
    network = networks.network(layers, (12, 10, 12))
    cycles = {}
    for density in (0.1, 1.0):
        run = cosim(
            network, networks.inputs(rng, network, 2, density), config=PLAIN, options=RunOptions(energy=False, simulator="loop")
        )
        assert run.bit_exact, run.mismatch
        cycles[density] = [layer.cycles for layer in run.layers]
    assert cycles[0.1] == cycles[1.0]
    for layer, taken in zip(run.layers, cycles[1.0], strict=True):
        assert 0.96 <= run.items * layer.dense_macs / (PLAIN.lanes * taken) <= 1


def test_wide_core_and_layer_larger_than_its_memories():
    """128-bit bus, four lanes a PE, and weights streamed pass by pass, partial sums staying on chip."""
    config = replace(
        TINY, n_pes=4, n_lanes=4, data_width=128, detector_width=64, post_units=8, weight_depth=16, mask_depth=32, acc_depth=64
    )
    rng = np.random.default_rng(2)
    layers = [
        networks.conv(rng, "c1", "input", 5, 40, (3, 3), pad=(1, 1, 1, 1), density=0.5),
        networks.conv(rng, "d", "c1", 40, 40, (3, 3), pad=(1, 1, 1, 1), groups=40),
        networks.pool(MAXPOOL, "p", "d", 40, (2, 2), stride=(1, 1), pad=(0, 1, 0, 1)),
        networks.conv(rng, "c2", "p", 40, 70, (3, 3), stride=(2, 2), density=0.5, weight_bits=4, bits=4),
        networks.linear(rng, "fc", "c2", 3 * 2 * 70, 100, low=0),
    ]
    network = networks.network(layers, (8, 6, 5))
    run = cosim(network, networks.inputs(rng, network, 2, 0.5), config=config, options=RunOptions(energy=False, simulator="loop"))
    assert run.bit_exact, run.mismatch


def test_channel_by_channel_on_an_odd_number_of_pes():
    """Events of single channels are broadcast where the lanes are no power of two."""
    rng = np.random.default_rng(4)
    layers = [
        networks.conv(rng, "d", "input", 14, 14, (3, 3), stride=(2, 2), pad=(1, 1, 1, 1), groups=14),
        networks.pool(MAXPOOL, "p", "d", 14, (2, 2), stride=(1, 1)),
    ]
    network = networks.network(layers, (7, 8, 14), low=-127)
    run = cosim(
        network,
        networks.inputs(rng, network, 2, 0.5),
        config=replace(TINY, n_pes=3),
        options=RunOptions(energy=False, simulator="loop"),
    )
    assert run.bit_exact, run.mismatch


@pytest.mark.parametrize("black_rows", [2, 4])
def test_first_sums_come_before_their_pass_is_post_processed(black_rows):
    """A map of few channels, then one of many whose first rows are finished at once: their sums meet the settings before."""
    rng = np.random.default_rng(black_rows)
    layers = [
        networks.conv(rng, "narrow", "input", 2, 1, (3, 3), pad=(1, 1, 1, 1)),
        networks.conv(rng, "wide", "input", 2, 33, (1, 1)),
        networks.concat(rng, "both", ("narrow", "wide"), 34),
    ]
    network = networks.network(layers, (16, 12, 2))
    inputs = networks.inputs(rng, network, 3, 0.9)
    inputs[:, :black_rows] = 0
    run = cosim(network, inputs, config=TINY, options=RunOptions(energy=False, simulator="loop"))
    assert run.bit_exact, run.mismatch
