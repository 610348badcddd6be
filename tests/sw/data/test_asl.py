"""Video of hands: splits by time, and files that are not what they should be."""

import numpy as np
import pytest

from quiesce.sw.data import asl
from quiesce.sw.data.errors import DatasetError
from quiesce.sw.data.sets import SETS
from tests.sw.data.moving import asl_arrays, moving_square


def write(folder, **changed):
    np.savez(folder / "asl_video32.npz", **{k: v for k, v in (asl_arrays() | changed).items() if v is not None})


def test_training_ends_with_the_last_tenth_of_each_video(tmp_path):
    write(tmp_path)
    train, test = asl.load("train", tmp_path), asl.load("test", tmp_path)
    assert [part.stop - part.start for part in train.streams()] == [18, 18, 18, 6]
    assert train.labels[train.starts].tolist() == [0, 1, 23, 0]
    assert np.array_equal(train.images[train.streams()[1]], moving_square(28, top=3)[:18])
    assert np.array_equal(train.images[train.streams()[3]][2:4], moving_square(28, top=3)[18:20])
    assert [part.stop - part.start for part in test.streams()] == [18]
    assert test.labels.tolist() == [0] * 6 + [1] * 6 + [23] * 6
    assert np.array_equal(test.images[-6:], moving_square(28, top=4)[22:])
    assert SETS["asl"].acts(test, (32, 32, 1)).shape == (18, 32, 32, 1)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seq_label": None}, "seq_label"),
        ({"seq_label": np.array([0, 1, 24], np.uint8)}, "label 24 is not in 0..23"),
        ({"seq_label": np.zeros(2, np.uint8)}, "another length"),
        ({"seq_label": np.zeros(3, np.int64)}, "int64 of shape"),
        ({"seq_offset": np.array([0, 28, 20, 84])}, "does not ascend"),
        ({"seq_offset": np.array([0, 28, 56, 85])}, "does not ascend from 0 to 84"),
        ({"split_time": np.tile(np.array([0, 1], np.uint8), 42)}, "not contiguous"),
        ({"split_time": np.full(84, 255, np.uint8)}, "there are no train frames"),
        ({"frames_delta": np.zeros((84, 31, 32), np.uint8)}, r"not uint8 of \(any, 32, 32\)"),
        ({"seq_label": np.array([None, None, None])}, "cannot be read"),
    ],
)
def test_bad_files(tmp_path, changed, message):
    write(tmp_path, **changed)
    with pytest.raises(DatasetError, match=message):
        asl.load("train", tmp_path)


def test_truncated_and_missing_files(tmp_path):
    with pytest.raises(DatasetError, match="asl_video32.npz: no such file"):
        asl.load("test", tmp_path)
    write(tmp_path)
    path = tmp_path / "asl_video32.npz"
    content = path.read_bytes()
    for part in (content[:-100], content[:1000], b"", b"PK" + content[100:], content.replace(b"NUMPY", b"NUMPX")):
        path.write_bytes(part)
        with pytest.raises(DatasetError, match=r"asl_video32\.npz: "):
            asl.load("test", tmp_path)


def test_a_file_that_grows_without_bound_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("quiesce.sw.data.arrays._MAX_BYTES", 1000)
    write(tmp_path)
    with pytest.raises(DatasetError, match="more than 1000"):
        asl.load("test", tmp_path)


def test_clips(tmp_path):
    clips = np.stack([moving_square(4, side=64, top=top) for top in (1, 2, 3)])
    deltas = np.diff(clips, axis=1, prepend=np.zeros_like(clips[:, :1]))
    arrays = {"clips_delta": deltas, "label": np.array([5, 6, 7], np.uint8), "is_test": np.array([0, 1, 0], np.uint8)}
    np.savez(tmp_path / "asl_clips64.npz", **arrays)
    train = asl.load_clips("train", tmp_path)
    assert train.labels[train.starts].tolist() == [5, 7]
    assert np.array_equal(train.images[4:], clips[2])
    assert len(asl.load_clips("test", tmp_path)) == 4
    np.savez(tmp_path / "asl_clips64.npz", **arrays | {"label": np.zeros(2, np.uint8)})
    with pytest.raises(DatasetError, match="another length"):
        asl.load_clips("test", tmp_path)
