"""Spoken digits: windows that slide by one mel frame, kept in rings, and splits by take."""

import numpy as np
import pytest

from quiesce.sw.data import fsdd
from quiesce.sw.data.errors import DatasetError
from quiesce.sw.data.sets import SETS

MEL = np.random.default_rng(1).integers(12, 242, (60, 32), dtype=np.uint8)
ARRAYS = {
    "mel": MEL, "offset": np.array([0, 20, 50, 60]), "label": np.array([3, 4, 5], np.uint8),
    "take": np.array([7, 4, 5], np.uint8), "speaker": np.array([1, 0, 1], np.uint8),
}  # fmt: skip


def test_an_item_is_the_one_before_shifted_by_a_frame():
    items = fsdd.windows(MEL[:20])
    assert items.shape == (20, 32, 32)
    assert np.array_equal(items[1:, :-1], items[:-1, 1:])
    assert np.array_equal(items[0, -17:], MEL[:17])
    assert not items[0, :15].any()
    assert np.array_equal(items[-1, :16], MEL[4:20])
    assert not items[-1, 16:].any()


def test_one_row_of_a_ring_changes():
    items, starts = fsdd.windows(MEL), np.isin(np.arange(60), (0, 40))
    found = fsdd.rings(items, starts)
    changes = (found[1:] != found[:-1]).any(axis=2)
    for at in (*range(39), *range(40, 59)):
        expected = [(at + 1) % 32 if at < 39 else (at + 1 - 40) % 32]
        assert set(np.flatnonzero(changes[at])) <= set(expected), at
    assert np.array_equal(np.roll(found[35], -(35 + 1) % 32, axis=0), items[35])
    assert np.array_equal(found[[0, 40], 0], items[[0, 40], -1])


def test_takes_below_five_are_the_test(tmp_path):
    np.savez(tmp_path / "fsdd_logmel.npz", **ARRAYS)
    train, test = fsdd.load("train", tmp_path), fsdd.load("test", tmp_path)
    assert (train.labels[train.starts].tolist(), test.labels[test.starts].tolist()) == ([5, 3], [4])
    assert (len(train), len(test)) == (30, 30)
    begins = np.arange(10) == 0
    assert np.array_equal(train.images[:10], fsdd.rings(fsdd.windows(MEL[50:]), begins))


def test_the_sample_has_all_digits():
    sample = fsdd.sample()
    assert sample.labels[np.flatnonzero(np.diff(sample.labels, prepend=-1))].tolist() == list(range(10))
    assert len(sample.streams()) == 1
    acts = SETS["fsdd"].acts(sample, (32, 32, 1))
    assert acts.shape == (len(sample), 32, 32, 1)
    assert acts.min() >= 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"offset": np.array([0, 20, 50, 61])}, "does not ascend"),
        ({"take": np.array([7, 4], np.uint8)}, "another length"),
        ({"speaker": np.array([7, 4], np.uint8)}, "another length"),
        ({"take": np.array([7, 8, 9], np.uint8)}, "there are no test utterances"),
        ({"label": np.array([3, 10, 5], np.uint8)}, "label 10 is not in 0..9"),
        ({"mel": MEL[:, :31]}, r"not uint8 of \(any, 32\)"),
    ],
)
def test_bad_files(tmp_path, changed, message):
    np.savez(tmp_path / "fsdd_logmel.npz", **ARRAYS | changed)
    with pytest.raises(DatasetError, match=message):
        fsdd.load("test", tmp_path)
