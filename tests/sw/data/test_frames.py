"""Frames of streams, and where clips lie in them."""

import numpy as np
import pytest

from quiesce.sw.data.asl import Asl
from quiesce.sw.data.errors import DatasetError
from quiesce.sw.data.frames import clip_starts, interleave
from tests.sw.data.moving import moving_square

STARTS = np.array([1, 0, 0, 0, 0, 1, 0, 1, 0, 0], np.bool_)


def test_clips_lie_within_a_stream():
    assert clip_starts(STARTS, 3).tolist() == [0, 1, 2, 7]
    assert clip_starts(STARTS, 2, apart=True).tolist() == [0, 2, 5, 7]
    assert clip_starts(STARTS, 6).tolist() == []
    assert clip_starts(np.ones(4, np.bool_), 1).tolist() == [0, 1, 2, 3]


def test_recordings_take_turns():
    recordings = [np.arange(0, 5), np.arange(10, 17), np.arange(20, 22)]
    frames, starts = interleave(recordings, 3)
    assert frames.tolist() == [0, 1, 2, 10, 11, 12, 20, 21, 3, 4, 13, 14, 15, 16]
    assert np.flatnonzero(starts).tolist() == [0, 8, 13]
    assert interleave([], 3)[0].tolist() == []


def test_a_part_begins_with_a_first_frame():
    frames = Asl(moving_square(10), np.zeros(10, np.uint8), STARTS)
    assert frames.streams() == [slice(0, 5), slice(5, 7), slice(7, 10)]
    part = frames[2:8]
    assert part.starts.tolist() == [True, False, False, True, False, True]
    assert frames.starts.tolist() == STARTS.tolist()
    assert len(frames[3:3]) == 0


@pytest.mark.parametrize(
    ("starts", "message"), [(STARTS[1:], "shape"), (np.roll(STARTS, 1), "no first frame"), (STARTS.astype(np.uint8), "not bool")]
)
def test_bad_starts(starts, message):
    with pytest.raises(DatasetError, match=message):
        Asl(moving_square(10), np.zeros(10, np.uint8), starts)
