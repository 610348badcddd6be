"""Protected memories: the same results in the same cycles."""

from dataclasses import replace

import numpy as np

from quiesce.sim import RunOptions, cosim
from quiesce.sw.format.ops import MAXPOOL
from tests import networks
from tests.sim.cores import PROTECTED, WINNERS


def test_protection_costs_no_cycle():
    rng = np.random.default_rng(8)
    layers = [
        replace(networks.conv(rng, "c1", "input", 5, 20, (3, 3), pad=(1, 1, 1, 1), density=0.5), winners=9),
        networks.pool(MAXPOOL, "p", "c1", 20, (2, 2)),
        networks.conv(rng, "d", "p", 20, 20, (3, 3), pad=(1, 1, 1, 1), groups=20, weight_bits=4, bits=4),
        networks.linear(rng, "fc", "d", 4 * 3 * 20, 30, low=0),
    ]
    network = networks.network(layers, (8, 6, 5))
    inputs = networks.inputs(rng, network, 3, 0.5)
    runs = [
        cosim(network, inputs, config=config, options=RunOptions(energy=False, simulator="loop"))
        for config in (WINNERS, PROTECTED)
    ]
    for run in runs:
        assert run.bit_exact, run.mismatch
    assert [layer.cycles for layer in runs[0].layers] == [layer.cycles for layer in runs[1].layers]
