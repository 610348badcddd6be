"""Delta thresholds that are found: within the allowed loss, worth something, and nowhere else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quiesce.sw.format import errors
from quiesce.sw.format.network import Network
from quiesce.sw.format.ops import MAXPOOL
from quiesce.sw.stream import (
    Quality,
    accuracy,
    choose_delta_thresholds,
    closeness,
    delta_maps,
    run_sequences,
    with_delta_thresholds,
)
from tests import networks
from tests.sw.stream.streams import StreamCase, random_frames, stream_cases


def nearness(expected: np.ndarray) -> Quality:
    """Less by one for each step by which outputs differ on the average."""
    return lambda outputs: -float(np.abs(outputs.astype(int) - expected).mean())


def chain(rng: np.random.Generator) -> Network:
    """Two convolutions around a maximum, and a linear layer."""
    layers = [
        networks.conv(rng, "a", "input", 1, 4, (3, 3), pad=(1, 1, 1, 1)),
        networks.pool(MAXPOOL, "max", "a", 4, (2, 2)),
        networks.conv(rng, "b", "max", 4, 6, (3, 3), pad=(1, 1, 1, 1)),
        networks.linear(rng, "fc", "b", 54, 5),
    ]
    return networks.network(layers, (6, 6, 1))


def noisy(rng: np.random.Generator, network: Network, noise: int) -> np.ndarray:
    """Three streams of eight frames: a still picture with some noise."""
    still = rng.integers(20, 100, (3, 1, *network.input.shape))
    return (still + rng.integers(-noise, noise + 1, (3, 8, *network.input.shape))).astype(np.int8)


@settings(max_examples=20)
@given(case=stream_cases(streams=2), allowed_loss=st.sampled_from([0.0, 0.3, 3.0]))
def test_the_quality_holds_and_work_never_grows(case: StreamCase, allowed_loss: float) -> None:
    exact = with_delta_thresholds(case.network, dict.fromkeys(delta_maps(case.network), 0))
    before = run_sequences(exact, case.frames)
    quality = nearness(before.outputs)
    found = choose_delta_thresholds(case.network, case.frames, quality=quality, allowed_loss=allowed_loss, ladder=(1, 4, 16, 64))
    after = run_sequences(found, case.frames)
    assert quality(after.outputs) >= -allowed_loss - 1e-9
    assert after.delta_macs.sum() <= before.delta_macs.sum()
    for name in {"input", *(layer.name for layer in found.layers)} - delta_maps(found):
        assert found.delta_threshold(name) == case.network.delta_threshold(name)


def test_noise_is_held_back() -> None:
    rng = np.random.default_rng(0)
    network = chain(rng)
    frames = noisy(rng, network, 2)
    found = choose_delta_thresholds(network, frames, quality=lambda _: 0.0, allowed_loss=0.0, ladder=(1, 2, 4, 8))
    # Values differ by at most 4, so 8 saves no more than 4, and nothing is left to be saved behind the input.
    assert {name: found.delta_threshold(name) for name in network.shapes()} == {
        "input": 4, "a": None, "max": 0, "b": 0, "fc": None,
    }  # fmt: skip
    assert run_sequences(found, frames).delta_macs[:, 1:].max() > 0  # the layer in front of the maximum reads its input in full


def test_each_map_has_its_share_of_the_loss() -> None:
    rng = np.random.default_rng(1)
    network = chain(rng)
    frames = noisy(rng, network, 6)
    expected = run_sequences(network, frames).outputs
    losses: list[float] = []

    def quality(outputs: np.ndarray) -> float:
        losses.append(-nearness(expected)(outputs))
        return -losses[-1]

    found = choose_delta_thresholds(network, frames, quality=quality, allowed_loss=3.0, ladder=tuple(range(1, 40)))
    alone = with_delta_thresholds(found, {"max": 0, "b": 0})
    assert 0 < -nearness(expected)(run_sequences(alone, frames).outputs) <= 1.0
    assert found.delta_threshold("input") and found.delta_threshold("max")
    assert -nearness(expected)(run_sequences(found, frames).outputs) <= 3.0
    assert losses[0] == 0


def test_by_default_outputs_stay_close_to_those_without_thresholds() -> None:
    rng = np.random.default_rng(5)
    network = chain(rng)
    frames = noisy(rng, network, 6)
    expected = run_sequences(network, frames).outputs
    deviations = []
    for allowed_loss in (0.0, 0.2, 0.6):
        outputs = run_sequences(choose_delta_thresholds(network, frames, allowed_loss=allowed_loss), frames).outputs
        deviations.append(float(np.sqrt(np.mean((outputs.astype(float) - expected) ** 2)) / expected.std()))
        assert closeness(expected)(outputs) == pytest.approx(-deviations[-1])
        assert deviations[-1] <= allowed_loss
    assert deviations[0] == 0 < deviations[1] < deviations[2]


def test_thresholds_that_save_nothing_stay_zero() -> None:
    rng = np.random.default_rng(2)
    network = chain(rng)
    still = np.repeat(noisy(rng, network, 0)[:, :1], 5, axis=1)
    found = choose_delta_thresholds(network, still, quality=lambda _: 1.0, allowed_loss=0.01)
    assert [found.delta_threshold(name) for name in network.shapes()] == [0, None, 0, 0, None]


def test_a_map_is_not_given_what_it_cannot_hold() -> None:
    rng = np.random.default_rng(3)
    network = networks.network([networks.linear(rng, "fc", "input", 16, 3)], (4, 4, 1), bits=4)
    frames = random_frames(rng, network.input, (2, 6), 1.0)
    found = choose_delta_thresholds(network, frames, quality=lambda _: 1.0, allowed_loss=0.01, ladder=(1, 7, 8))
    assert found.input.delta_threshold == 7


def test_accuracy_counts_items_with_a_label() -> None:
    outputs = np.zeros((1, 4, 1, 1, 3), np.int8)
    outputs[0, [0, 1, 2, 3], 0, 0, [1, 1, 2, 0]] = 5
    assert accuracy(np.array([[-1, 1, 1, 0]]))(outputs) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"sequences": np.zeros((2, 6, 6, 1), np.int8)}, errors.ShapeError, "B, T, 6, 6, 1"),
        ({"sequences": np.zeros((2, 0, 6, 6, 1), np.int8)}, errors.ShapeError, "no items"),
        ({"allowed_loss": -0.1}, errors.RangeError, "allowed loss"),
        ({"allowed_loss": float("nan")}, errors.RangeError, "allowed loss"),
        ({"ladder": (0,)}, errors.RangeError, "ladder"),
        ({"ladder": (3, 2)}, errors.RangeError, "ladder"),
        ({"dilation": -1}, errors.RangeError, "dilation"),
    ],
)
def test_rejected_searches(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    rng = np.random.default_rng(4)
    network = chain(rng)
    usual = {"sequences": noisy(rng, network, 1), "allowed_loss": 0.1} | arguments
    with pytest.raises(error, match=message):
        choose_delta_thresholds(network, **usual)
