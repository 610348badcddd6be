"""Programs mean what the reference computes, for shapes that divide nothing evenly."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from quiesce.sim.cycles.decode import PassStep, decode
from quiesce.spec.config import preset
from quiesce.sw import reference
from quiesce.sw.compiler import CompileError, compile_network
from quiesce.sw.format.ops import AVGPOOL, MAXPOOL
from tests.networks import conv, inputs, linear, network, pool
from tests.sw.compiler.emulator import ClusterEmulator, Emulator

TINY = preset("tiny")
SMALL = preset("tiny", acc_depth=64, mask_depth=16, weight_depth=16, acc_width=26)
PLAIN = replace(SMALL, zero_skipping=0, weight_depth=64)
CHECKED = replace(TINY, record_check=1)
PLAIN_BLOCKS = preset(
    "plain", n_pes=2, n_lanes=4, data_width=128, acc_width=26, acc_depth=256, param_depth=128, mask_width=16, weight_depth=256
)
BLOCKS = preset("tiny", n_pes=2, n_lanes=4, data_width=128, detector_width=64, post_units=8, mask_width=16, acc_width=26)


def check(net, config, density=0.4, n=2, seed=0):
    x = inputs(np.random.default_rng(seed), net, n, density)
    program = compile_network(net, config)
    emulator = Emulator(program) if config.n_cores == 1 else ClusterEmulator(program)
    golden = reference.run(net, x)
    np.testing.assert_array_equal(emulator.run(x), golden.outputs)
    assert not emulator.acc.any()
    for plan in program.layers:
        assert emulator.macs[plan.counter] == golden.counts[plan.name].effectual_macs.sum()
    return program


@pytest.mark.parametrize(
    "config", [TINY, SMALL, BLOCKS, PLAIN, PLAIN_BLOCKS], ids=["tiny", "small", "blocks", "plain", "plain-blocks"]
)
@pytest.mark.parametrize(
    ("shape", "couts", "kernel", "options"),
    [
        ((6, 5, 1), 3, (3, 3), {"pad": (1, 1, 1, 1)}),
        ((5, 7, 3), 6, (5, 5), {"pad": (2, 2, 2, 2)}),
        ((7, 7, 5), 4, (3, 3), {"stride": (2, 2), "pad": (1, 1, 1, 1)}),
        ((7, 6, 2), 9, (1, 1), {"stride": (2, 3)}),
        ((9, 8, 2), 5, (3, 2), {"dilation": (2, 3), "pad": (0, 2, 1, 0)}),
        ((9, 9, 2), 2, (7, 7), {"pad": (3, 3, 3, 3)}),
        ((6, 6, 8), 8, (3, 3), {"groups": 4, "pad": (1, 1, 1, 1)}),
        ((3, 3, 40), 10, (1, 1), {}),
        ((4, 3, 70), 3, (2, 2), {"stride": (1, 2)}),
        ((1, 1, 7), 20, (1, 1), {}),
    ],
)
@pytest.mark.parametrize("weight_density", [1.0, 0.3])
def test_convolution(config, shape, couts, kernel, options, weight_density):
    rng = np.random.default_rng(couts)
    check(network([conv(rng, "c", "input", shape[2], couts, kernel, density=weight_density, **options)], shape), config)


@pytest.mark.parametrize("config", [TINY, BLOCKS, PLAIN, CHECKED], ids=["tiny", "blocks", "plain", "checked"])
@pytest.mark.parametrize("low", [0, -127])
def test_pools(config, low):
    layers = [pool(MAXPOOL, "max", "input", 5, (3, 3), stride=(2, 2), pad=(1, 1, 1, 1), low=low)]
    check(network(layers, (7, 6, 5), low=low), config, density=0.7)
    layers = [pool(AVGPOOL, "mean", "input", 5, (3, 2), stride=(2, 1), pad=(1, 1, 0, 0), low=low)]
    check(network(layers, (7, 6, 5), low=low), config)


ODD = preset("tiny", n_pes=3, acc_width=26)
"""Not a power of two lanes: events of single channels are broadcast."""


@pytest.mark.parametrize("config", [TINY, SMALL, BLOCKS, ODD], ids=["tiny", "small", "blocks", "odd"])
@pytest.mark.parametrize(
    ("shape", "kernel", "options"),
    [
        ((5, 6, 3), (3, 3), {"pad": (1, 1, 1, 1)}),
        ((7, 5, 21), (3, 3), {"stride": (2, 2), "pad": (1, 1, 1, 1)}),
        ((9, 5, 11), (7, 5), {"stride": (1, 2), "pad": (3, 3, 2, 2)}),
        ((6, 6, 5), (2, 2), {"stride": (2, 2), "dilation": (2, 3)}),
        ((2, 3, 70), (2, 3), {}),
    ],
)
def test_channel_by_channel(config, shape, kernel, options):
    rng = np.random.default_rng(shape[2])
    chans = shape[2]
    layer = conv(rng, "d", "input", chans, chans, kernel, groups=chans, density=0.7, **options)
    program = check(network([layer], shape), config)
    assert program.layers[0].event_visits == 1 or not config.single_pe_events
    for kind in (MAXPOOL, AVGPOOL):
        options = {name: value for name, value in options.items() if name != "dilation"} | {"pad": (0, 0, 0, 0)}
        check(network([pool(kind, "p", "input", chans, kernel, low=-127, **options)], shape, low=-127), config)


@pytest.mark.parametrize("config", [TINY, ODD], ids=["tiny", "odd"])
def test_pools_of_planes_that_are_cut_elsewhere(config):
    """The planes of the input are those that the first layer makes, the planes of the pool those that the last one accepts."""
    rng = np.random.default_rng(9)
    config = replace(config, acc_depth=32, act_depth=64, mask_depth=64, weight_depth=128)
    layers = [
        conv(rng, "c1", "input", 2, 44, (1, 1)),
        pool(MAXPOOL, "p", "c1", 44, (2, 2), stride=(1, 1)),
        conv(rng, "d", "p", 44, 44, (3, 3), groups=44, pad=(1, 1, 1, 1)),
        conv(rng, "c2", "d", 44, 3, (2, 2)),
    ]
    check(network(layers, (6, 9, 2)), config)


def test_a_pool_over_the_map_needs_a_slot_a_lane():
    net = network([pool(AVGPOOL, "p", "input", 600, (9, 11))], (9, 11, 600))
    program = check(net, preset("tiny", mask_depth=8, weight_depth=8, acc_depth=256))
    assert program.layers[0].n_passes == 1


@pytest.mark.parametrize("config", [TINY, SMALL, BLOCKS], ids=["tiny", "small", "blocks"])
def test_network(config):
    rng = np.random.default_rng(5)
    layers = [
        conv(rng, "c1", "input", 1, 3, (3, 3), pad=(1, 1, 1, 1)),
        pool(MAXPOOL, "p1", "c1", 3, (2, 2)),
        conv(rng, "c2", "p1", 3, 10, (3, 3)),
        linear(rng, "f1", "c2", 2 * 2 * 10, 13, low=0, threshold=9),
        linear(rng, "f2", "f1", 13, 5),
    ]
    check(network(layers, (8, 8, 1)), config, n=3)


@pytest.mark.parametrize("config", [TINY, SMALL, BLOCKS], ids=["tiny", "small", "blocks"])
def test_weights_of_all_widths(config):
    rng = np.random.default_rng(9)
    layers = [
        conv(rng, "c1", "input", 2, 9, (3, 3), pad=(1, 1, 1, 1), weight_bits=4),
        conv(rng, "c2", "c1", 9, 10, (3, 3), density=0.6, weight_bits=2),
        pool(MAXPOOL, "p", "c2", 10, (2, 2)),
        linear(rng, "f1", "p", 2 * 2 * 10, 33, low=0, weight_bits=2),
        linear(rng, "f2", "f1", 33, 5),
    ]
    check(network(layers, (6, 6, 2)), config, n=3)


@pytest.mark.parametrize("config", [TINY, SMALL, BLOCKS], ids=["tiny", "small", "blocks"])
@pytest.mark.parametrize("low", [0, -127])
def test_activations_of_both_widths(config, low):
    rng = np.random.default_rng(11)
    layers = [
        conv(rng, "c1", "input", 3, 9, (3, 3), pad=(1, 1, 1, 1), low=low, bits=8),
        conv(rng, "c2", "c1", 9, 10, (3, 3), low=low, weight_bits=4, bits=4),
        pool(MAXPOOL, "p", "c2", 10, (2, 2), low=low, bits=4),
        linear(rng, "f1", "p", 2 * 2 * 10, 33, low=low, bits=4),
        linear(rng, "f2", "f1", 33, 5),
    ]
    check(network(layers, (6, 6, 3), low=low, bits=4), config, n=3)


def test_narrow_weights_take_less_of_the_program():
    beats = [
        compile_network(network([linear(np.random.default_rng(1), "f", "input", 64, 64, weight_bits=bits)], (8, 8, 1)), TINY)
        .prologue_beats
        for bits in (8, 4, 2)
    ]  # fmt: skip
    # Bytes of values less the zeros among them; beside them each PE has mask words and headers.
    assert beats[0] - beats[1] >= 0.9 * 64 * 64 / 2 / 8
    assert beats[1] - beats[2] >= 0.9 * 64 * 64 / 4 / 8


def test_weights_of_a_width_without_indices_are_stored_wider():
    config = preset("tiny", weight_depth=8192)
    assert config.weight_widths == (8,)
    rng = np.random.default_rng(10)
    check(network([linear(rng, "f", "input", 3 * 3 * 5, 9, weight_bits=2)], (3, 3, 5)), config)


def test_layer_larger_than_the_memories_is_tiled():
    rng = np.random.default_rng(6)
    net = network([linear(rng, "f", "input", 3 * 3 * 50, 40)], (3, 3, 50))
    program = check(net, SMALL)
    assert program.layers[0].n_passes > 10
    assert not program.resident


def test_accumulator_overflow_is_refused():
    rng = np.random.default_rng(7)
    net = network([linear(rng, "wide", "input", 900, 4)], (1, 1, 900))
    with pytest.raises(CompileError, match="'wide'.*acc_width 16"):
        compile_network(net, preset("tiny", acc_width=16))


def test_a_large_bias_of_one_channel_hides_no_overflow_of_another():
    rng = np.random.default_rng(7)
    wide = linear(rng, "wide", "input", 900, 2)
    wide = replace(wide, weight=np.abs(wide.weight) * np.array([[1], [0]], np.int8), bias=np.array([0, 1 << 30], np.int32))
    assert max(network([wide], (1, 1, 900)).accumulator_bounds(wide)) == 1 << 30
    with pytest.raises(CompileError, match="'wide'.*acc_width 16"):
        compile_network(network([wide], (1, 1, 900)), preset("tiny", acc_width=16))
    compile_network(network([wide], (1, 1, 900)), preset("tiny"))


@pytest.mark.parametrize("n_cores", [1, 3])
@pytest.mark.parametrize(("top", "rows"), [(0, [0, 3, 6]), (2, [1, 4, 7]), (5, [1, 4, 7])])
def test_rows_that_no_output_needs_are_left_out(top, rows, n_cores):
    rng = np.random.default_rng(top)
    layers = [
        conv(rng, "a", "input", 3, 5, (3, 3), pad=(1, 1, 1, 1)),
        conv(rng, "b", "a", 5, 9, (1, 1), stride=(3, 2), pad=(top, 0, 1, 1)),
    ]
    program = check(network(layers, (8, 5, 3)), replace(TINY, n_cores=n_cores))
    passes = [step.fields for step in decode(program)[1] if isinstance(step, PassStep) and step.fields["layer"] == 1]
    row_stride = passes[0]["in_row_stride"] // 3
    read = [f["in_offset"] // row_stride + 3 * row for f in passes for row in range(f["n_rows"])]
    first = passes[0]["in_offset"] // row_stride - rows[0]
    assert sorted({row - first for row in read}) == rows


@pytest.mark.parametrize("n_cores", [2, 3, 4, 8])
@pytest.mark.parametrize("config", [TINY, SMALL, BLOCKS], ids=["tiny", "small", "blocks"])
def test_cores_share_a_network(config, n_cores):
    """Rows that do not divide evenly, fewer rows than cores, output channels split, and weights that do not fit."""
    rng = np.random.default_rng(11)
    layers = [
        conv(rng, "c1", "input", 1, 9, (3, 3), pad=(1, 1, 1, 1)),
        pool(MAXPOOL, "p1", "c1", 9, (2, 2)),
        conv(rng, "c2", "p1", 9, 10, (3, 2), stride=(1, 2), density=0.5),
        conv(rng, "c3", "c2", 10, 5, (1, 2)),
        linear(rng, "f1", "c3", 3 * 1 * 5, 37, low=0, threshold=9),
        linear(rng, "f2", "f1", 37, 5),
    ]
    program = check(network(layers, (11, 9, 1)), replace(config, n_cores=n_cores), n=3)
    assert program.layers[0].n_passes >= n_cores


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_cores_share_any_layer(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    rows, cols, cin = (data.draw(st.integers(1, most)) for most in (9, 5, 20))
    kernel = tuple(data.draw(st.integers(1, min(3, size))) for size in (rows, cols))
    couts = data.draw(st.integers(1, 40))
    layers = [conv(rng, "c", "input", cin, couts, kernel, stride=(data.draw(st.integers(1, 3)), 1), density=0.5)]
    out_rows, out_cols, _ = network(layers, (rows, cols, cin)).shapes()["c"]
    layers.append(linear(rng, "f", "c", out_rows * out_cols * couts, data.draw(st.integers(1, 30)), density=0.3))
    config = replace(data.draw(st.sampled_from([TINY, SMALL, BLOCKS])), n_cores=data.draw(st.integers(2, 8)))
    net = network(layers, (rows, cols, cin))
    try:
        compile_network(net, replace(config, n_cores=1))
    except CompileError:
        assume(False)
    check(net, config, density=0.5)
