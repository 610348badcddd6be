"""Layers beyond the limits of a single pass: cut into pieces that run, or refused with a reason."""

from functools import cached_property

import numpy as np
import pytest

from quiesce.spec.config import preset
from quiesce.sw import reference
from quiesce.sw.compiler import CompileError, compile_network
from quiesce.sw.compiler.lower.axis import WindowAxis
from quiesce.sw.compiler.lower.convolution import Convolution
from quiesce.sw.compiler.tile.mapping import TileMapping
from quiesce.sw.compiler.tile.pieces import pieces
from quiesce.sw.format.ops import AVGPOOL, MAXPOOL
from tests import networks
from tests.sw.compiler.emulator import Emulator

TINY = preset("tiny", acc_width=32)
SMALL = preset("tiny", acc_width=32, max_cols=8, acc_depth=16, psum_depth=8, mask_width=16, mask_depth=16, weight_depth=8)


def check(layers, shape, config=TINY, density=0.3):
    net = networks.network(layers, shape)
    x = networks.inputs(np.random.default_rng(1), net, 1, density)
    program = compile_network(net, config)
    emulator, golden = Emulator(program), reference.run(net, x)
    np.testing.assert_array_equal(emulator.run(x), golden.outputs)
    for plan in program.layers:
        assert emulator.macs[plan.counter] == golden.counts[plan.name].effectual_macs.sum()
    return program


def conv(shape, couts, kernel, **options):
    return networks.conv(np.random.default_rng(2), "c", "input", shape[2], couts, kernel, **options)


@pytest.mark.parametrize("config", [TINY, SMALL], ids=["tiny", "small"])
@pytest.mark.parametrize(
    ("shape", "couts", "kernel", "options"),
    [
        ((3, 4, 2), 3, (1, 1), {"pad": (5, 2, 3, 4)}),  # outputs that see padding only
        ((3, 4, 2), 3, (2, 3), {"pad": (9, 0, 0, 9), "stride": (2, 3)}),
        ((1, 1, 2), 2, (3, 3), {"pad": (7, 8, 6, 7), "dilation": (2, 1)}),
        ((2, 50, 2), 3, (1, 40), {"pad": (0, 0, 0, 9)}),  # more kernel columns than mask bits
        ((2, 90, 1), 2, (2, 30), {"dilation": (1, 3)}),
        ((140, 1, 1), 2, (130, 1), {"density": 0.2}),  # more kernel rows than displacements
        ((12, 12, 3), 5, (11, 11), {}),  # weights of a channel larger than the memories
        ((300, 2, 1), 2, (2, 2), {"stride": (299, 1)}),
        ((3, 290, 2), 2, (3, 3), {"pad": (1, 1, 1, 1)}),  # rows wider than the column table
        ((2, 270, 1), 2, (2, 9), {"stride": (1, 4), "pad": (0, 0, 4, 4)}),
        ((6, 30, 5), 7, (3, 3), {"groups": 1, "stride": (2, 1)}),
    ],
)
def test_convolutions(config, shape, couts, kernel, options):
    check([conv(shape, couts, kernel, **options)], shape, config)


@pytest.mark.parametrize("config", [TINY, SMALL], ids=["tiny", "small"])
def test_linear_layers_of_large_maps(config):
    rng = np.random.default_rng(3)
    check([networks.linear(rng, "f", "input", 270, 3, density=0.2)], (270, 1, 1), config)
    check([networks.linear(rng, "f", "input", 540, 3, density=0.2)], (1, 270, 2), config)


@pytest.mark.parametrize("config", [TINY, SMALL], ids=["tiny", "small"])
@pytest.mark.parametrize("op", [MAXPOOL, AVGPOOL])
def test_pools_of_large_windows(config, op):
    check([networks.pool(op, "p", "input", 3, (40, 37), low=-127)], (40, 37, 3), config)
    check([networks.pool(op, "p", "input", 2, (20, 20), stride=(3, 3), pad=(2, 2, 2, 2), low=-127)], (24, 24, 2), config)


def test_chains_of_wide_maps():
    rng = np.random.default_rng(4)
    layers = [
        networks.conv(rng, "a", "input", 1, 2, (3, 3), pad=(1, 1, 1, 1)),
        networks.pool(MAXPOOL, "p", "a", 2, (2, 2)),
        networks.conv(rng, "b", "input", 1, 2, (1, 1), stride=(2, 2)),
        networks.add(rng, "s", ["p", "b"], 2),
        networks.concat(rng, "cat", ["s", "p"], 4),
        networks.linear(rng, "f", "cat", 2 * 20 * 4, 3),
    ]
    program = check(layers, (4, 40, 1), SMALL)
    assert len(program.input_layout.strips) == 5


def test_pieces_cover_the_kernel_once():
    window = Convolution(layer=conv((9, 9, 1), 1, (5, 7), pad=(2, 2, 3, 3)), shapes=((9, 9, 1),))
    parts = list(pieces(TINY, window, [range(9)], range(9), most_taps=6))
    taps = [tap for piece in parts for tap in np.ndindex(9, 9) if tap[0] in piece.taps[0] and tap[1] in piece.taps[1]]
    assert len(parts) > 5
    assert sorted(taps) == sorted(np.ndindex(5, 7))
    assert all(len(piece.taps[0]) * len(piece.taps[1]) <= 6 for piece in parts)


def test_planes_that_cannot_fit_are_not_laid_out(monkeypatch):
    """The search tries every whole number of groups as a plane: those that cannot fit cost next to nothing."""
    laid_out = []

    def pitch(mapping: TileMapping) -> int:
        laid_out.append(len(mapping.outs))
        return original(mapping)

    original = TileMapping.acc_row_pitch.func
    counted = cached_property(pitch)
    counted.__set_name__(TileMapping, "acc_row_pitch")
    monkeypatch.setattr(TileMapping, "acc_row_pitch", counted)
    compile_network(networks.network([conv((2, 2, 2), TINY.param_depth + 6, (1, 1))], (2, 2, 2)), TINY)
    assert max(laid_out) <= TINY.acc_depth // 2 * TINY.lanes  # two columns
    assert len(laid_out) < 500


def test_a_single_output_needs_no_displacement():
    axis = WindowAxis(size=9, n_out=1, kernel=3, stride=1, pad=0, dilation=4).part(range(9), range(1), range(3))
    assert (axis.stride, list(axis.displacements), axis.n_phases) == (9, [0], 9)


@pytest.mark.parametrize(
    ("shape", "kernel", "options", "reason"),
    [
        ((600, 1, 1), (1, 1), {"stride": (256, 1)}, "'c': row stride 256 exceeds 255"),
        ((1, 600, 1), (1, 1), {"stride": (1, 300)}, "'c': column stride 300 exceeds 255"),
        ((1, 1, 1), (1, 1), {"pad": (40000, 0, 0, 0)}, "'c': row_quot = 40000 is not in -32768..32767"),
    ],
)
def test_refusals(shape, kernel, options, reason):
    with pytest.raises(CompileError, match=reason):
        compile_network(networks.network([conv(shape, 1, kernel, **options)], shape), TINY)
