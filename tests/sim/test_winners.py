"""Winners-take-all on the RTL: bit for bit, and losers cost nothing where their map is read."""

from dataclasses import replace

import networks
import numpy as np
from graphs import graphs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quiesce.sim import cosim
from quiesce.sw.config import preset

TINY = preset("tiny", acc_width=32, winner_depth=1024)


@given(graphs(max_layers=4, max_size=9, max_chans=16, winners=True), st.booleans())
@settings(max_examples=10, suppress_health_check=list(HealthCheck), print_blob=True, report_multiple_bugs=False)
def test_random_graphs(case, dense):
    run = cosim(case.network, case.inputs, config=TINY, dense=dense, energy=False, latency=5)
    assert run.bit_exact, run.mismatch


def test_losers_cause_no_events():
    """Few channels win, so the layers that read them take a fraction of the events and cycles, ranking included."""
    rng = np.random.default_rng(5)
    layers = [
        networks.conv(rng, "a", "input", 8, 48, (3, 3), pad=(1, 1, 1, 1)),
        networks.conv(rng, "b", "a", 48, 16, (3, 3), pad=(1, 1, 1, 1), density=0.5),
        networks.linear(rng, "c", "b", 8 * 8 * 16, 100, low=0, density=0.2),
        networks.linear(rng, "d", "c", 100, 30),
    ]
    full = networks.network(layers, (8, 8, 8))
    layers = [replace(layers[0], winners=6), layers[1], replace(layers[2], winners=10), layers[3]]
    few = networks.network(layers, (8, 8, 8))
    inputs = networks.inputs(rng, full, 2, 0.5)
    whole, part = (cosim(network, inputs, config=TINY, energy=False) for network in (full, few))
    assert whole.bit_exact, whole.mismatch
    assert part.bit_exact, part.mismatch
    for before, after in zip(whole.layers, part.layers, strict=True):
        if after.name in ("b", "d"):
            assert after.events < before.events / 4
            assert after.cycles < before.cycles / 1.5
