"""Several cores on the RTL: networks bit for bit, counters that add up."""

from dataclasses import replace

import numpy as np
import pytest

from quiesce.sim import Bus, RunOptions, cosim
from quiesce.sim.core_text import core_text
from quiesce.sim.energy.breakdown import clock_energy
from quiesce.sim.energy.table import load_table
from quiesce.sw import reference
from quiesce.sw.format.ops import MAXPOOL
from tests import networks
from tests.sim.cores import SMALL

BLOCKS = replace(SMALL, n_lanes=2, data_width=128, detector_width=64, post_units=2, mask_width=16)


def network():
    """Rows that do not divide evenly, fewer rows than cores, channels split over cores, and weights that do not fit."""
    rng = np.random.default_rng(21)
    layers = [
        networks.conv(rng, "c1", "input", 2, 7, (3, 3), pad=(1, 1, 1, 1), density=0.6),
        networks.pool(MAXPOOL, "p1", "c1", 7, (2, 2)),
        networks.conv(rng, "c2", "p1", 7, 9, (3, 2), stride=(1, 2), density=0.5),
        networks.conv(rng, "c3", "c2", 9, 4, (2, 1)),
        networks.linear(rng, "f1", "c3", 2 * 2 * 4, 19, low=0, threshold=9),
        networks.linear(rng, "f2", "f1", 19, 3),
    ]
    return networks.network(layers, (11, 9, 2))


@pytest.mark.parametrize(("config", "n_cores"), [(SMALL, 2), (BLOCKS, 3)], ids=["2 cores", "3 wide cores"])
def test_cores_share_a_network(config, n_cores):
    net = network()
    x = networks.inputs(np.random.default_rng(22), net, 3, 0.5)
    golden = reference.run(net, x)
    for dense, stall in ((False, 0), (False, 120), (True, 0)):
        options = RunOptions(bus=Bus(latency=7, stall=stall), dense=dense, energy=False)
        run = cosim(net, x, config=replace(config, n_cores=n_cores), options=options)
        assert run.bit_exact, run.mismatch
        assert 0 < run.load_cycles < run.cycles
        lanes = n_cores * config.lanes
        for layer in run.layers:
            assert sum(layer.idle.values()) + layer.counters["macs"] == lanes * layer.cycles
            assert layer.effectual_macs == golden.counts[layer.name].effectual_macs.sum()
            assert layer.events > 0
            assert np.isclose(sum(layer.core_utilisation), n_cores * layer.lane_utilisation)
            assert layer.lane_utilisation <= layer.lane_bound or dense
        assert sum(use > 0 for use in run.layers[0].core_utilisation) == n_cores


def test_energy_of_several_cores():
    """Every module of every core has a class, and idle cores are clocked."""
    net = network()
    x = networks.inputs(np.random.default_rng(23), net, 1, 0.5)
    configs = [replace(SMALL, n_cores=n_cores) for n_cores in (1, 2)]
    one, two = (cosim(net, x, config=config, options=RunOptions(bus=Bus(latency=7))) for config in configs)
    assert two.bit_exact, two.mismatch
    waiting = [clock_energy(load_table(), core_text(config).clocks, {}, 1) for config in configs]
    assert 1.9 < waiting[1] / waiting[0] < 2.3  # two cores and what connects them
    for before, after in zip(one.layers, two.layers, strict=True):
        assert after.energy_pj["mac"] > 0
        clock_before, clock_after = (layer.energy_pj["clock"] / layer.cycles for layer in (before, after))
        assert waiting[0] < clock_before and clock_after < 3 * clock_before
        # What a core that waits takes comes on top of what the work takes.
        assert clock_after > clock_before + (waiting[1] - waiting[0]) / 2
