"""Maps too wide for a core, cut into columns and put together again."""

from dataclasses import replace

import numpy as np
import pytest

from quiesce.spec.config import preset
from quiesce.sw.compiler.tile.strips import StripedLayout, strips_of
from quiesce.sw.format.errors import MaskError
from quiesce.sw.format.layouts import MapLayout

CONFIG = preset("tiny", max_cols=16, acc_depth=16, psum_depth=8)


@pytest.mark.parametrize(
    ("width", "computed", "widths"), [(16, False, [16]), (17, False, [9, 8]), (40, False, [14, 13, 13]), (5, True, [5])]
)
def test_as_few_strips_as_possible(width, computed, widths):
    assert [len(cols) for cols in strips_of(CONFIG, width, computed)] == widths


def test_what_the_core_computes_has_room_for_a_row_of_sums():
    narrow = replace(CONFIG, max_cols=64, acc_depth=16)
    assert len(strips_of(narrow, 64, computed=False)) == 1
    assert len(strips_of(narrow, 64, computed=True)) == 4


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_maps_come_back_as_they_went(bits):
    shape = (3, 21, 5)
    layout = StripedLayout(whole=MapLayout(shape=shape, plane_chans=3, bits=bits), strips=strips_of(CONFIG, 21, True))
    assert layout.map_bytes == sum(one.map_bytes for one in layout.layouts) == layout.offset(2)
    largest = {4: 7, 8: 127, 16: 254}[bits]
    maps = np.random.default_rng(bits).integers(-largest, largest + 1, (4, *shape)).astype(np.int16 if bits == 16 else np.int8)
    maps[np.random.default_rng(1).random(maps.shape) < 0.5] = 0
    data = layout.encode(maps)
    assert data.shape == (4, layout.map_bytes)
    np.testing.assert_array_equal(layout.decode(data), maps)
    second = layout.offset(1)
    data[:, second] ^= 1  # a mask bit of the second strip
    with pytest.raises(MaskError):
        layout.decode(data)
