"""Places of intermediate maps: what lives together lies apart, and dead maps give way."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from quiesce.sw.compiler.schedule.memory import allocate, lifetimes
from tests import networks

LIVES = st.lists(st.tuples(st.integers(1, 400), st.integers(0, 9), st.integers(1, 6)), max_size=12)


@given(LIVES)
def test_maps_that_live_together_lie_apart(maps):
    sizes = {str(i): size for i, (size, _, _) in enumerate(maps)}
    lives = {str(i): range(first, first + length) for i, (_, first, length) in enumerate(maps)}
    offsets, total = allocate(sizes, lives)
    assert offsets.keys() == sizes.keys()
    for time in range(16):
        live = sorted((offsets[name], sizes[name]) for name in lives if time in lives[name])
        assert all(first + size <= second for (first, size), (second, _) in zip(live, live[1:], strict=False))
    assert all(offset % 16 == 0 and offset + sizes[name] <= total for name, offset in offsets.items())


def test_a_chain_needs_two_places():
    rng = np.random.default_rng(0)
    layers = [networks.conv(rng, f"c{i}", f"c{i - 1}" if i else "input", 2, 2, (1, 1)) for i in range(6)]
    lives = lifetimes(networks.network(layers, (4, 4, 2)))
    assert lives == {f"c{i}": range(i, i + 2) for i in range(5)}
    _, total = allocate(dict.fromkeys(lives, 100), lives)
    assert total == 2 * 112


def test_a_shortcut_lives_until_it_is_added():
    rng = np.random.default_rng(0)
    layers = [
        networks.conv(rng, "a", "input", 2, 2, (1, 1)),
        networks.conv(rng, "b", "a", 2, 2, (1, 1)),
        networks.conv(rng, "c", "b", 2, 2, (1, 1)),
        networks.add(rng, "sum", ["c", "a", "input"], 2),
    ]
    assert lifetimes(networks.network(layers, (4, 4, 2))) == {"a": range(4), "b": range(1, 3), "c": range(2, 4)}
