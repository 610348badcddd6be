"""What the host sends of a frame."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiesce.sw.format import errors
from quiesce.sw.format.layer import MapSpec
from quiesce.sw.stream import DeltaInput, StreamReference
from tests.sw.stream.streams import StreamCase, random_frames, stream_cases

SPEC = MapSpec(height=5, width=6, chans=2, scale=1.0, delta_threshold=4)


@given(case=stream_cases(winners=False), dilation=st.one_of(st.none(), st.integers(0, 2)))
def test_it_is_the_input_of_the_reference(case: StreamCase, dilation: int | None) -> None:
    stream = StreamReference(case.network, dilation=dilation)
    host = DeltaInput(case.network.input, dilation=dilation)
    for frame, floor in zip(case.frames[0], case.floors, strict=True):
        item, deltas = stream.push(frame, floor), host.push(frame, floor)
        assert deltas.dtype == np.int16
        np.testing.assert_array_equal(deltas, item.deltas["input"])
        np.testing.assert_array_equal(host.sent, item.sent["input"])


@given(dilation=st.integers(0, 7), share=st.sampled_from([0.02, 0.1]), seed=st.integers(0, 1000))
def test_noise_gate(dilation: int, share: float, seed: int) -> None:
    """Whole pixels near one that changes are sent as they are, and all others are held."""
    frames = random_frames(np.random.default_rng(seed), SPEC, (1, 4), share)[0]
    host = DeltaInput(SPEC, dilation=dilation)
    sent = frames[0].astype(int)
    np.testing.assert_array_equal(host.push(frames[0]), sent)
    for frame in frames[1:]:
        changed = np.argwhere((np.abs(frame - sent) > 4).any(axis=2))
        expected = sent.copy()
        for row, col in np.ndindex(5, 6):
            if (np.abs(changed - (row, col)).max(axis=1, initial=0) <= dilation).any():
                expected[row, col] = frame[row, col]
        np.testing.assert_array_equal(host.push(frame), expected - sent)
        sent = expected


def test_the_largest_changes() -> None:
    host = DeltaInput(replace(SPEC, delta_threshold=253))
    frame = np.full(SPEC.shape, -127, np.int8)
    assert host.push(frame).min() == -127
    assert host.push(-frame).max() == 254
    host.reset()
    assert host.sent is None and host.push(-frame).max() == 127


def test_rejected_frames_and_dilations() -> None:
    host = DeltaInput(SPEC)
    frame = np.zeros(SPEC.shape, np.int8)
    host.push(frame)
    with pytest.raises(errors.ShapeError, match=r"\(6, 5, 2\) is not \(5, 6, 2\)"):
        host.push(frame.transpose(1, 0, 2))
    with pytest.raises(errors.DtypeError, match="int64 is not int8"):
        host.push(frame.astype(np.int64))
    with pytest.raises(errors.RangeError, match="-128"):
        host.push(np.full(SPEC.shape, -128, np.int8))
    with pytest.raises(errors.RangeError, match="floor"):
        host.push(frame, -1)
    with pytest.raises(errors.DtypeError, match="dilation"):
        DeltaInput(SPEC, dilation=True)
