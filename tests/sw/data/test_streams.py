"""Streams in files of the user's: what they become, and what is refused."""

import numpy as np
import pytest

from quiesce.sw.data.errors import DatasetError
from quiesce.sw.data.streams import FrameStream, as_acts, cut, read_stream
from quiesce.sw.format.layer import MapSpec
from tests.sw.data.moving import moving_square
from tests.sw.data.test_video import write

SPEC = MapSpec(height=32, width=32, chans=1, scale=1 / 127, low=0)


def test_types_of_frames(tmp_path):
    path = tmp_path / "a.npy"
    integers = np.arange(6, dtype=np.int8).reshape(1, 2, 3)
    spec = MapSpec(height=2, width=3, chans=1, scale=0.5, low=0, high=100)
    np.testing.assert_array_equal(as_acts(path, integers, spec)[..., 0], integers)
    shades = as_acts(path, np.array([[[0, 1, 127], [128, 254, 255]]], np.uint8), spec)
    assert shades.ravel().tolist() == [0, 0, 1, 1, 2, 2]
    real = as_acts(path, np.array([[[0.24, 0.25, 0.74], [49.9, 1e9, -3.0]]], np.float32), spec)
    assert real.ravel().tolist() == [0, 1, 1, 100, 100, 0]


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((3, 32, 31), np.int8), r"frames of shape \(3, 32, 31, 1\) are not \(N, 32, 32, 1\)"),
        (np.zeros((0, 32, 32, 1), np.int8), "N >= 1"),
        (np.zeros((32, 32), np.int8), "are not"),
        (np.full((1, 32, 32, 1), -1, np.int8), r"integers -1\.\.-1 are not in 0\.\.127"),
        (np.zeros((1, 32, 32, 1), np.int32), "int32, not int8, uint8 or real"),
        (np.full((1, 32, 32, 1), np.nan), "not finite"),
    ],
)
def test_refused_frames(tmp_path, frames, message):
    np.save(tmp_path / "a.npy", frames)
    with pytest.raises(DatasetError, match=message):
        read_stream(tmp_path / "a.npy", SPEC)


def test_arrays_with_starts_and_labels(tmp_path):
    frames = moving_square(5)
    starts = np.array([False, False, True, False, False])
    np.savez(tmp_path / "a.npz", frames=frames, starts=starts, labels=np.arange(5), other=np.zeros(3))
    stream = read_stream(tmp_path / "a.npz", SPEC, most=4)
    assert len(stream) == 4 and stream.starts.tolist() == [True, False, True, False] and stream.labels.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(stream.acts, as_acts(tmp_path, frames, SPEC)[:4])
    np.savez(tmp_path / "b.npz", frames=frames)
    assert read_stream(tmp_path / "b.npz", SPEC).labels is None


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"starts": np.zeros(5, np.bool_)}, "frames.npy"),
        ({"frames": moving_square(5), "starts": np.zeros(4, np.bool_)}, r"starts has shape \(4,\), not \(5,\)"),
        ({"frames": moving_square(5), "starts": np.zeros(5)}, "starts is float64 .* not bool"),
        ({"frames": moving_square(5), "labels": np.zeros(5)}, "labels is float64 .* not integer"),
    ],
)
def test_refused_arrays(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DatasetError, match=message):
        read_stream(tmp_path / "a.npz", SPEC)


def test_damaged_files_are_refused(tmp_path):
    for name in ("a.npz", "a.npy", "a.avi"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(DatasetError, match=name):
            read_stream(tmp_path / name, SPEC)
        with pytest.raises(DatasetError):
            read_stream(tmp_path / f"no-{name}", SPEC)
    objects = np.empty(1, object)
    np.save(tmp_path / "b.npy", objects, allow_pickle=True)
    with pytest.raises(DatasetError, match="not an .npy file of numbers"):
        read_stream(tmp_path / "b.npy", SPEC)


def test_video(tmp_path):
    write(tmp_path / "a.avi", moving_square(5))
    stream = read_stream(tmp_path / "a.avi", SPEC, most=3)
    assert len(stream) == 3 and stream.labels is None and stream.starts.tolist() == [True, False, False]
    assert np.abs(stream.acts.astype(int) - as_acts(tmp_path, moving_square(3), SPEC)).max() <= 1
    with pytest.raises(DatasetError, match="3 channels, a video becomes one"):
        read_stream(tmp_path / "a.avi", MapSpec(height=32, width=32, chans=3, scale=1 / 127))


def test_sequences_lie_within_a_stream_each():
    frames = np.arange(17, dtype=np.int8).reshape(-1, 1, 1, 1)
    starts = np.isin(np.arange(17), (0, 5, 7))
    stream = FrameStream(frames, starts, None, "made up")
    assert cut(stream, 2)[:, :, 0, 0, 0].tolist() == [[0, 1], [2, 3], [5, 6], [7, 8], [9, 10], [11, 12], [13, 14], [15, 16]]
    assert cut(stream, 2, 3)[:, 0, 0, 0, 0].tolist() == [0, 5, 11]
    with pytest.raises(DatasetError, match="no stream has 11 frames"):
        cut(stream, 11)
