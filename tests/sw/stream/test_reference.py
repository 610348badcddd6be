"""Streams in integers: exact without thresholds, and with them never farther from what a map should be than these allow."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quiesce.sw import reference
from quiesce.sw.format import errors
from quiesce.sw.format.network import Layer, Network
from quiesce.sw.format.ops import AVGPOOL, CONCAT, MAXPOOL
from quiesce.sw.stream import StreamReference, delta_maps, run_sequences
from tests import networks
from tests.sw.stream.streams import StreamCase, stream_cases


def small_network(**thresholds: int) -> Network:
    """An input of 3 x 3 x 2 and a convolution of all of it, with some delta thresholds."""
    rng = np.random.default_rng(0)
    network = networks.network([networks.conv(rng, "conv", "input", 2, 4, (3, 3), pad=(1, 1, 1, 1))], (3, 3, 2))
    spec = replace(network.input, delta_threshold=thresholds.get("input"))
    layers = (replace(network.layers[0], delta_threshold=thresholds.get("conv")),)
    return replace(network, input=spec, layers=layers)


@settings(max_examples=40)
@given(case=stream_cases(held=False), data=st.data())
def test_without_thresholds_every_item_is_as_if_alone(case: StreamCase, data: st.DataObject) -> None:
    frames = case.frames[0]
    expected = reference.run(case.network, frames)
    stream = StreamReference(case.network)
    for index, frame in enumerate(frames):
        if data.draw(st.booleans()):
            stream.reset()
        item = stream.push(frame)
        np.testing.assert_array_equal(item.outputs, expected.outputs[index])
        for name, count in expected.counts.items():
            np.testing.assert_array_equal(item.sent[name], expected.activations[name][index])
            assert item.counts[name].events == count.events[index]
            assert item.counts[name].effectual_macs == count.effectual_macs[index]
        assert item.effectual_macs == expected.effectual_macs[index]


@settings(max_examples=60)
@given(stream_cases())
def test_nothing_drifts_and_changes_add_up(case: StreamCase) -> None:
    network, stream = case.network, StreamReference(case.network)
    total: dict[str, np.ndarray] = {}
    for index, (frame, floor) in enumerate(zip(case.frames[0], case.floors, strict=True)):
        item = stream.push(frame, floor)
        for name, sent in item.sent.items():
            total[name] = total.get(name, 0) + item.deltas[name].astype(np.int64)
            np.testing.assert_array_equal(total[name], sent)
            layer = None if name == "input" else network.layer(name)
            acts = reference.outputs(layer, *(item.sent[source][None] for source in layer.inputs))[0] if layer else frame
            threshold = network.delta_threshold(name)
            held_back = np.abs(acts.astype(int) - sent)
            if not index or threshold is None:
                assert not held_back.any()
            else:
                limit = max(threshold, floor)
                assert held_back.max() <= limit
                assert not (held_back[item.deltas[name] != 0]).any()  # what is sent is sent as it is
                changes = np.abs(item.deltas[name])
                assert not ((changes > 0) & (changes <= limit)).any()
        np.testing.assert_array_equal(item.outputs, item.sent[network.output])


def change_sums(layer: Layer, deltas: list[np.ndarray]) -> np.ndarray:
    """Sums of changes, without a bias: of both halves of each change, which are of 8 bits."""
    halves = [delta[None] // 2 for delta in deltas]
    rest = [delta[None] - half for delta, half in zip(deltas, halves, strict=True)]
    sums = sum(layer.op.accumulate(layer, *(part.astype(np.int8) for part in parts)).astype(np.int64) for parts in (halves, rest))
    return sums if layer.bias is None else sums - 2 * layer.bias.astype(np.int64)


@settings(max_examples=40)
@given(stream_cases())
def test_sums_of_changes_are_sums_of_what_was_sent(case: StreamCase) -> None:
    stream, sums = StreamReference(case.network), {}
    for frame, floor in zip(case.frames[0], case.floors, strict=True):
        item = stream.push(frame, floor)
        for layer in case.network.layers:
            if layer.op is MAXPOOL:
                continue
            before = sums.get(layer.name, 0 if layer.bias is None else layer.bias.astype(np.int64))
            sums[layer.name] = before + change_sums(layer, [item.deltas[name] for name in layer.inputs])
            expected = layer.op.accumulate(layer, *(item.sent[name][None] for name in layer.inputs))
            np.testing.assert_array_equal(sums[layer.name], expected)


@settings(max_examples=40)
@given(stream_cases())
def test_work_of_changes(case: StreamCase) -> None:
    network, stream = case.network, StreamReference(case.network)
    shapes, coded = network.shapes(), delta_maps(network)
    for frame, floor in zip(case.frames[0], case.floors, strict=True):
        item = stream.push(frame, floor)
        for layer in network.layers:
            sources = [shapes[name] for name in layer.inputs]
            read = item.deltas if coded.issuperset(layer.inputs) else item.sent
            fans = [layer.op.fan_out(layer, sources, operand) for operand in range(len(sources))]
            macs = sum(int(fan[read[name] != 0].sum()) for name, fan in zip(layer.inputs, fans, strict=True))
            count = item.counts[layer.name]
            assert count.delta_macs == macs
            assert count.delta_events == sum(np.count_nonzero(read[name]) for name in layer.inputs)
        assert item.delta_macs == sum(count.delta_macs for count in item.counts.values())


@settings(max_examples=40)
@given(case=stream_cases(streams=3), dilation=st.one_of(st.none(), st.integers(0, 3)))
def test_sequences_are_streams(case: StreamCase, dilation: int | None) -> None:
    floor = case.floors[0]
    result = run_sequences(case.network, case.frames, floor=floor, dilation=dilation)
    stream = StreamReference(case.network, dilation=dilation)
    for index, frames in enumerate(case.frames):
        stream.reset()
        for time, frame in enumerate(frames):
            item = stream.push(frame, floor)
            np.testing.assert_array_equal(result.outputs[index, time], item.outputs)
            for name, sent in item.sent.items():
                np.testing.assert_array_equal(result.sent[name][index, time], sent)
            for name, count in item.counts.items():
                for field in ("events", "effectual_macs", "delta_events", "delta_macs"):
                    assert getattr(result.counts[name], field)[index, time] == getattr(count, field)
            assert (result.effectual_macs[index, time], result.delta_macs[index, time]) == (item.effectual_macs, item.delta_macs)


def test_a_slow_change_is_sent_late_but_whole() -> None:
    network = small_network(input=3)
    stream = StreamReference(network)
    frame = np.full((3, 3, 2), 10, np.int8)
    sent = [int(stream.push(frame + np.int8(step)).sent["input"][0, 0, 0]) for step in range(9)]
    assert sent == [10, 10, 10, 10, 14, 14, 14, 14, 18]


def test_floor_is_of_maps_with_a_threshold_only() -> None:
    frames = np.full((2, 3, 3, 2), 10, np.int8)
    frames[1] += 5
    for network, changed in ((small_network(), 18), (small_network(input=0), 0), (small_network(conv=0), 18)):
        stream = StreamReference(network)
        stream.push(frames[0], 255)
        item = stream.push(frames[1], 5)
        assert np.count_nonzero(item.deltas["input"]) == changed


def test_maps_that_may_be_changes() -> None:
    """Not before a maximum, nor with winners, nor beside such maps, nor the output."""
    rng = np.random.default_rng(0)
    layers = [
        networks.conv(rng, "a", "input", 2, 4, (1, 1)),
        networks.conv(rng, "b", "a", 4, 4, (1, 1)),
        networks.pool(MAXPOOL, "max", "b", 4, (1, 1)),
        networks.concat(rng, "both", ["max", "b"], 8),
        replace(networks.conv(rng, "few", "max", 4, 4, (1, 1)), winners=2),
        networks.pool(AVGPOOL, "mean", "a", 4, (1, 1)),
        networks.add(rng, "sum", ["few", "mean"], 4),
        networks.concat(rng, "all", ["both", "sum"], 12),
    ]
    assert CONCAT is layers[-1].op
    assert delta_maps(networks.network(layers, (3, 3, 2))) == {"input", "a", "both", "sum"}


@pytest.mark.parametrize(
    ("frame", "floor", "error", "message"),
    [
        (np.zeros((3, 3, 1), np.int8), 0, errors.ShapeError, r"shape \(3, 3, 1\) is not \(3, 3, 2\)"),
        (np.zeros((1, 3, 3, 2), np.int8), 0, errors.ShapeError, "is not"),
        (np.zeros((3, 3, 2), np.int16), 0, errors.DtypeError, "int16 is not int8"),
        (np.full((3, 3, 2), -1, np.int8), 0, errors.RangeError, r"beyond 0\.\.127"),
        (np.zeros((3, 3, 2), np.int8), 256, errors.RangeError, "floor .* 256"),
        (np.zeros((3, 3, 2), np.int8), 1.0, errors.DtypeError, "floor"),
    ],
)
def test_a_refused_frame_leaves_the_stream_as_it_is(frame: np.ndarray, floor: int, error: type[Exception], message: str) -> None:
    network = small_network(input=3, conv=2)
    stream, twin = StreamReference(network), StreamReference(network)
    frames = np.random.default_rng(1).integers(0, 20, (3, 3, 3, 2)).astype(np.int8)
    for each in (stream, twin):
        each.push(frames[0])
    with pytest.raises(error, match=message):
        stream.push(frame, floor)
    item, expected = stream.push(frames[1]), twin.push(frames[1])
    for name, deltas in expected.deltas.items():
        np.testing.assert_array_equal(item.deltas[name], deltas)


def test_frames_may_be_reused() -> None:
    """The stream keeps no view of what it was given."""
    network, frame = small_network(), np.zeros((3, 3, 2), np.int8)
    stream = StreamReference(network)
    stream.push(frame)
    frame[0, 0, 0] = 7
    assert stream.push(frame).deltas["input"][0, 0, 0] == 7


def test_rejected_sequences() -> None:
    network = small_network()
    with pytest.raises(errors.ShapeError, match=r"\(2, 3, 3, 2\) is not \(B, T, 3, 3, 2\)"):
        run_sequences(network, np.zeros((2, 3, 3, 2), np.int8))
    with pytest.raises(errors.RangeError, match="dilation"):
        run_sequences(network, np.zeros((1, 2, 3, 3, 2), np.int8), dilation=-1)
