"""Windows that meet no input: outputs that see padding only, kernel entries that reach nothing, parts of layers without input."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from quiesce.sim.cycles.decode import PassStep, decode
from quiesce.spec.config import CoreConfig, preset
from quiesce.sw import reference
from quiesce.sw.compiler import compile_network
from quiesce.sw.format.geometry import output_size
from tests import networks
from tests.sw.compiler.emulator import ClusterEmulator, Emulator

TINY = preset("tiny", acc_width=32)
SMALL = preset("tiny", acc_width=32, max_cols=8, acc_depth=16, psum_depth=8, mask_width=16, mask_depth=16, weight_depth=8)
PLAIN = replace(SMALL, zero_skipping=0, weight_depth=32)
CONFIGS = [TINY, SMALL, PLAIN, replace(SMALL, n_cores=3), replace(PLAIN, n_cores=2)]


def layers_behind_a_map_without_zeros(shape, couts, kernel, depthwise=False, chans=3, **options):
    """Values that would be taken for a record, if one were read beside its own map, lie in front of it and behind it."""
    rng = np.random.default_rng(couts)
    dense, again, behind = (
        networks.conv(rng, name, source, 3 if source != "input" else shape[2], n, (1, 1))
        for name, source, n in (("dense", "input", 3), ("again", "dense", chans), ("behind", "odd", 2))
    )
    dense, again = (replace(layer, bias=np.full(layer.cout, 100_000, np.int32)) for layer in (dense, again))
    groups = chans if depthwise else 1
    odd = networks.conv(rng, "odd", "again", chans, chans if depthwise else couts, kernel, groups=groups, **options)
    return [dense, again, odd, replace(behind, weight=behind.weight[..., :1].repeat(odd.cout, axis=3))]


def check(layers, shape, config: CoreConfig):
    net = networks.network(layers, shape)
    x = networks.inputs(np.random.default_rng(1), net, 2, 0.5)
    program = compile_network(net, config)
    emulator, golden = (ClusterEmulator if config.n_cores > 1 else Emulator)(program), reference.run(net, x)
    np.testing.assert_array_equal(emulator.run(x), golden.outputs)
    for plan in program.layers:
        assert emulator.macs[plan.counter] == golden.counts[plan.name].effectual_macs.sum()
    return [step.fields for step in decode(program)[1] if isinstance(step, PassStep) and step.fields["layer"] == 2]


@pytest.mark.parametrize("config", CONFIGS, ids=["tiny", "small", "plain", "small-cores", "plain-cores"])
@pytest.mark.parametrize("depthwise", [False, True], ids=["conv", "depthwise"])
@pytest.mark.parametrize(
    ("shape", "kernel", "options"),
    [
        ((1, 1, 1), (1, 1), {"stride": (2, 2), "pad": (1, 1, 1, 1)}),
        ((1, 6, 1), (1, 1), {"stride": (2, 1), "pad": (1, 1, 0, 0)}),
        ((3, 6, 2), (1, 1), {"stride": (5, 1), "pad": (1, 6, 0, 0)}),
        ((1, 20, 2), (1, 1), {"pad": (0, 0, 9, 9)}),  # strips that see padding only, of a map that is read in others
        ((2, 3, 2), (3, 1), {"stride": (9, 1), "pad": (2, 8, 0, 0), "dilation": (2, 1)}),
        ((3, 2, 2), (3, 2), {"stride": (7, 5), "pad": (5, 8, 3, 9), "dilation": (4, 3)}),
    ],
)
def test_rows_and_columns_that_meet_nothing(config, depthwise, shape, kernel, options):
    for f in check(layers_behind_a_map_without_zeros(shape, 5, kernel, depthwise, **options), shape, config):
        assert 1 <= f["n_rows"] <= shape[0]


def test_one_row_is_read_for_a_strip_that_sees_padding_only():
    shape = (9, 4, 1)
    passes = check(layers_behind_a_map_without_zeros(shape, 2, (1, 1), pad=(0, 0, 8, 0)), shape, SMALL)
    assert [f["n_rows"] for f in passes] == [1, 9]


@st.composite
def axes(draw: st.DrawFn) -> tuple[int, int, int, tuple[int, int], int]:
    """Size of the input, kernel, stride, padding and dilation: seldom what a network would have."""
    size, kernel, stride, dilation = (draw(st.integers(1, most)) for most in (5, 4, 9, 7))
    pad = draw(st.integers(0, 12)), draw(st.integers(0, 12))
    assume(1 <= output_size(size, kernel, stride, pad, dilation) <= 18)
    return size, kernel, stride, pad, dilation


@given(axes(), axes(), st.integers(1, 9), st.integers(1, 9), st.booleans(), st.sampled_from(CONFIGS))
@settings(max_examples=60, deadline=None, print_blob=True)
def test_odd_geometries(rows, cols, chans, couts, depthwise, config):
    sizes, kernel, stride, pad, dilation = zip(rows, cols, strict=True)
    options = {"kernel": kernel, "stride": stride, "pad": pad[0] + pad[1], "dilation": dilation}
    layers = layers_behind_a_map_without_zeros((*sizes, 2), couts, depthwise=depthwise, chans=chans, **options)
    check(layers, (*sizes, 2), config)
