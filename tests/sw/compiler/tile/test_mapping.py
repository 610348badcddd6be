"""Where the compiler lays partial sums: contexts small enough for a PE's registers, addresses that do not collide there."""

import numpy as np
import pytest

from quiesce.spec.config import preset
from quiesce.sw.compiler.lower.convolution import Convolution
from quiesce.sw.compiler.tile.tiling import tile_layer
from quiesce.sw.format.ops import MAXPOOL
from tests import networks


def mapping_of(shape, couts, kernel, *, config=None, **options):
    layer = networks.conv(np.random.default_rng(0), "c", "input", shape[2], couts, kernel, **options)
    config = config or preset("base", mask_depth=4096, weight_depth=4096)
    tiling = tile_layer(config, [[Convolution(layer=layer, shapes=(shape,))]], [shape[2]], couts)
    assert len(tiling.mappings) == 1
    return tiling.mappings[0]


@pytest.mark.parametrize(
    ("shape", "couts", "kernel", "options", "n_contexts"),
    [
        ((14, 14, 6), 16, (5, 5), {}, 2),
        ((10, 16, 32), 32, (3, 3), {"pad": (1, 1, 1, 1)}, 2),
        ((10, 16, 32), 48, (3, 3), {"pad": (1, 1, 1, 1)}, 3),
        ((8, 8, 16), 320, (1, 1), {}, 2),
        ((9, 9, 8), 16, (3, 3), {"dilation": (2, 1)}, 1),
        ((16, 16, 8), 64, (3, 3), {"stride": (2, 2)}, 1),
    ],
)
def test_sums_of_a_context_have_registers_of_their_own(shape, couts, kernel, options, n_contexts):
    mapping = mapping_of(shape, couts, kernel, **options)
    depth = mapping.config.psum_depth
    addresses = [i * mapping.acc_row_pitch + j * mapping.acc_col_pitch + g for i, j, g in mapping.position_table]
    assert mapping.n_contexts == n_contexts
    assert len({address % depth for address in addresses}) == mapping.n_positions <= depth


def test_contexts_stay_large_where_events_bring_little_work():
    """With one weight in ten an event of 18 positions would bring a PE less than one operation in each of two contexts."""
    assert mapping_of((10, 16, 32), 32, (3, 3), density=0.1).n_contexts == 1


def test_rows_are_not_padded_out_of_the_accumulators():
    config = preset("base", mask_depth=4096, acc_depth=64)
    mapping = mapping_of((16, 16, 8), 16, (3, 3), config=config, pad=(1, 1, 1, 1))
    assert mapping.acc_row_pitch == 16  # four rows of 16, as many as fit


def test_bound_of_targeted_events():
    """One event per cycle is the limit: nine operations of one of 16 lanes for each, or one in a pool without overlap."""
    depthwise = mapping_of((8, 8, 64), 64, (3, 3), groups=64)
    assert depthwise.targeted
    assert depthwise.lane_bound == pytest.approx(9 / 16, rel=0.01)
    pool = networks.pool(MAXPOOL, "p", "input", 64, (2, 2))
    config = preset("base")
    (mapping,) = tile_layer(config, [[Convolution(layer=pool, shapes=((8, 8, 64),))]], [64], 64).mappings
    assert mapping.lane_bound == pytest.approx(1 / 16)
    assert mapping.context_slots == mapping.packed.mask_words == 1
