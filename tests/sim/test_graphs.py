"""Random directed acyclic networks, bit for bit on the RTL, events only and in dense mode."""

import networks
import numpy as np
from cores import TINY
from graphs import graphs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quiesce.sim import cosim
from quiesce.sw.config import preset

NARROW = preset("tiny", acc_width=32, max_cols=8, acc_depth=32, mask_width=16)


@given(graphs(max_layers=4, max_size=9, max_chans=16), st.sampled_from([TINY, NARROW]), st.booleans())
@settings(max_examples=6, suppress_health_check=list(HealthCheck), print_blob=True, report_multiple_bugs=False)
def test_random_graphs(case, config, dense):
    run = cosim(case.network, case.inputs, config=config, dense=dense, energy=False, latency=5)
    assert run.bit_exact, run.mismatch


def test_strips_padding_and_parts_of_kernels():
    """Maps wider than a core, kernels wider than a mask word, and outputs that see padding only."""
    rng = np.random.default_rng(1)
    layers = [
        networks.conv(rng, "wide", "input", 3, 5, (3, 20), pad=(5, 7, 0, 0)),
        networks.conv(rng, "thin", "input", 3, 5, (1, 1), pad=(5, 5, 0, 9), stride=(1, 2)),
        networks.conv(rng, "thinner", "thin", 5, 5, (1, 3), stride=(1, 2)),
        networks.add(rng, "sum", ["wide", "thinner"], 5),
    ]
    network = networks.network(layers, (6, 28, 3))
    run = cosim(network, networks.inputs(rng, network, 2, 0.4), config=NARROW, energy=False, latency=5)
    assert run.bit_exact, run.mismatch
