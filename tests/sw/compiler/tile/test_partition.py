"""Shares of a layer: every row and plane once, and none of a core left empty."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiesce.spec.config import preset
from quiesce.sw.compiler.lower.convolution import Convolution
from quiesce.sw.compiler.tile.partition import ONE_CORE, Split, parts, splits
from tests import networks


@given(st.integers(1, 100), st.integers(1, 100))
def test_parts_are_consecutive_nearly_equal_and_never_empty(count, n_parts):
    found = parts(count, n_parts)
    assert [index for part in found for index in part] == list(range(count))
    sizes = [len(part) for part in found]
    assert len(found) == min(count, n_parts) and sorted(sizes, reverse=True) == sizes and sizes[0] - sizes[-1] <= 1


@pytest.mark.parametrize(
    ("couts", "rows", "expected"),
    [
        (4, 8, [(4, 1)]),  # one group of lanes: no plane for another core
        (8, 8, [(4, 1), (2, 2)]),
        (100, 8, [(4, 1), (2, 2), (1, 4)]),
        (100, 3, [(3, 1), (2, 2), (1, 4)]),
    ],
)
def test_splits_by_rows_come_first(couts, rows, expected):
    config = preset("tiny", n_cores=4)
    layer = networks.conv(np.random.default_rng(0), "c", "input", 2, couts, (1, 1))
    found = list(splits(config, Convolution(layer=layer, shapes=((rows, 5, 2),))))
    assert [(split.rows, split.planes) for split in found] == expected


def test_planes_are_whole_groups_of_lanes():
    config = preset("tiny", n_cores=4)
    assert ONE_CORE.plane_limit(config, 13) == 13
    assert Split(planes=2).plane_limit(config, 13) == 8
    assert Split(planes=4).plane_limit(config, 13) == 4
