"""Winners-take-all: the k largest features, the lower channel among equals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from quiesce.sw.format.winners import suppress_losers, winning_channels

MAPS = hnp.arrays(np.int8, hnp.array_shapes(min_dims=4, max_dims=4, max_side=6), elements=st.integers(0, 5))


@given(MAPS, st.data())
def test_each_winner_beats_each_loser(acts, data):
    n_winners = data.draw(st.integers(1, acts.shape[3]))
    wins = winning_channels(acts, n_winners)
    features = acts.max(axis=(1, 2))
    for row, won in zip(features.tolist(), wins.tolist(), strict=True):
        assert sum(won) == n_winners
        for winner in (c for c, yes in enumerate(won) if yes):
            for loser in (c for c, yes in enumerate(won) if not yes):
                assert (row[winner], -winner) > (row[loser], -loser)
    kept = suppress_losers(acts, n_winners)
    np.testing.assert_array_equal(kept, np.where(wins[:, None, None], acts, 0))
    assert kept.dtype == np.int8


def test_examples():
    acts = np.array([[[[3, 9, 3, 0]]], [[[0, 0, 0, 0]]]], np.int8)
    assert winning_channels(acts, 2).tolist() == [[True, True, False, False], [True, True, False, False]]
    np.testing.assert_array_equal(suppress_losers(acts, 1)[:, 0, 0], [[0, 9, 0, 0], [0, 0, 0, 0]])
    # The largest activation of a channel counts, not their sum.
    acts = np.array([[[[4, 5]], [[4, 0]]]], np.int8)
    assert winning_channels(acts, 1).tolist() == [[False, True]]


@pytest.mark.parametrize("n_winners", [0, 3])
def test_all_survive(n_winners):
    acts = np.arange(6, dtype=np.int8).reshape(1, 1, 2, 3)
    np.testing.assert_array_equal(suppress_losers(acts, n_winners), acts)
