"""Networks that a core cuts in every way, bit for bit on the RTL; random ones are in soak/test_soak.py."""

import numpy as np

from quiesce.sim import Bus, RunOptions, cosim
from quiesce.spec.config import preset
from tests import networks

NARROW = preset("tiny", acc_width=32, max_cols=8, acc_depth=32, mask_width=16)


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
    options = RunOptions(bus=Bus(latency=5), energy=False, simulator="loop")
    run = cosim(network, networks.inputs(rng, network, 2, 0.4), config=NARROW, options=options)
    assert run.bit_exact, run.mismatch
