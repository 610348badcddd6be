"""Winners-take-all in programs: losers are left out by whoever reads the map, and what cannot run is refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quiesce.spec.config import preset
from quiesce.sw import reference
from quiesce.sw.compiler import CompileError, compile_network
from quiesce.sw.format.ops import AVGPOOL, MAXPOOL
from tests import networks
from tests.graphs import graphs
from tests.sw.compiler.emulator import Emulator

TINY = preset("tiny", acc_width=32, winner_depth=2048)
CONFIGS = [
    TINY,
    replace(TINY, acc_depth=64, mask_depth=16, weight_depth=16, detector_width=16),
    replace(TINY, n_pes=2, n_lanes=4, data_width=128, detector_width=64, post_units=8, mask_width=16),
    replace(TINY, max_cols=8, acc_depth=16, psum_depth=8, mask_width=16),
]


def check(network, inputs, config):
    program = compile_network(network, config)
    emulator = Emulator(program)
    golden = reference.run(network, inputs)
    np.testing.assert_array_equal(emulator.run(inputs), golden.outputs)
    for plan in program.layers:
        assert emulator.macs[plan.counter] == golden.counts[plan.name].effectual_macs.sum()
    return program


@given(graphs(winners=True), st.sampled_from(CONFIGS))
@settings(max_examples=25, suppress_health_check=list(HealthCheck), print_blob=True, report_multiple_bugs=False)
def test_programs_compute_networks_with_winners(case, config):
    check(case.network, case.inputs, config)


def two_layers(couts=9, winners=3, low=0):
    rng = np.random.default_rng(couts)
    first = networks.conv(rng, "first", "input", 2, couts, (3, 3), pad=(1, 1, 1, 1), low=low)
    layers = [replace(first, winners=winners), networks.linear(rng, "second", "first", 4 * 5 * couts, 3)]
    return networks.network(layers, (4, 5, 2))


@pytest.mark.parametrize("config", CONFIGS, ids=["whole", "cut", "wide", "strips"])
@pytest.mark.parametrize(("couts", "winners"), [(9, 3), (40, 11), (7, 7), (3, 1)])
def test_maps_of_one_and_several_planes(config, couts, winners):
    network = two_layers(couts, winners)
    check(network, networks.inputs(np.random.default_rng(0), network, 2, 0.6), config)


def test_maps_share_places_when_they_live_at_different_times():
    rng = np.random.default_rng(0)
    names = ["input", "a", "b", "c", "d", "e"]
    layers = [networks.conv(rng, name, source, 20, 20, (1, 1)) for source, name in zip(names, names[1:], strict=False)]
    layers = [replace(layer, winners=5) for layer in layers[:-1]] + layers[-1:]
    network = networks.network(layers, (3, 3, 20))
    check(network, networks.inputs(rng, network, 2, 0.6), replace(TINY, winner_depth=64))


def refused(network, config):
    with pytest.raises(CompileError) as error:
        compile_network(network, config)
    return str(error.value)


def test_what_no_core_runs_is_refused():
    assert "winner_depth, which is 0" in refused(two_layers(), replace(TINY, winner_depth=0))
    assert "n_cores is 2" in refused(two_layers(), replace(TINY, n_cores=2))
    assert "beyond winner_depth 64" in refused(two_layers(couts=70), replace(TINY, winner_depth=64))
    network = two_layers()
    last = replace(network.layers[-1], low=0, winners=1)
    assert "no reader" in refused(replace(network, layers=(network.layers[0], last)), TINY)


def test_all_channels_winning_needs_no_unit():
    compile_network(two_layers(couts=9, winners=9), replace(TINY, winner_depth=0))


def test_pools_and_sums_read_winners():
    rng = np.random.default_rng(6)
    layers = [
        replace(networks.conv(rng, "a", "input", 3, 12, (3, 3)), winners=4),
        replace(networks.conv(rng, "b", "input", 3, 12, (3, 3)), winners=7),
        networks.pool(MAXPOOL, "p", "a", 12, (2, 2)),
        networks.pool(AVGPOOL, "q", "b", 12, (2, 2)),
        networks.add(rng, "s", ["a", "b", "a"], 12, low=0),
        networks.linear(rng, "f", "s", 4 * 6 * 12, 4),
        networks.concat(rng, "j", ["p", "q"], 24),
        networks.linear(rng, "g", "j", 2 * 3 * 24, 4),
        networks.add(rng, "o", ["f", "g"], 4),
    ]
    network = networks.network(layers, (6, 8, 3))
    check(network, networks.inputs(rng, network, 2, 0.6), TINY)
