"""Random directed acyclic networks: compiled programs mean what the reference computes."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quiesce.spec.config import preset
from quiesce.sw import reference
from quiesce.sw.compiler import compile_network
from tests.graphs import graphs
from tests.sw.compiler.emulator import ClusterEmulator, Emulator

CONFIGS = [
    preset("tiny", acc_width=32),
    preset("tiny", acc_width=32, acc_depth=64, mask_depth=16, weight_depth=16),
    preset("tiny", acc_width=32, n_pes=2, n_lanes=4, data_width=128, detector_width=64, post_units=8, mask_width=16),
    preset("tiny", acc_width=32, max_cols=8, acc_depth=16, psum_depth=8, mask_width=16),
    preset("tiny", acc_width=32, zero_skipping=0),
    preset("tiny", acc_width=32, zero_skipping=0, n_cores=2, n_pes=2, acc_depth=64, weight_depth=32, max_cols=8, psum_depth=8),
    preset("tiny", acc_width=32, n_cores=3, n_pes=2, acc_depth=128, mask_depth=64, weight_depth=64),
]


def check(case, config, cold=False):
    network, inputs = case.network, case.inputs
    program = compile_network(network, config, cold=cold)
    emulator = ClusterEmulator(program) if config.n_cores > 1 else Emulator(program)
    golden = reference.run(network, inputs)
    np.testing.assert_array_equal(emulator.run(inputs), golden.outputs)
    assert not emulator.acc.any()
    for plan in program.layers:
        assert emulator.macs[plan.counter] == golden.counts[plan.name].effectual_macs.sum()


@given(graphs(), st.sampled_from(CONFIGS), st.booleans())
@settings(max_examples=40, suppress_health_check=list(HealthCheck), print_blob=True, report_multiple_bugs=False)
def test_programs_compute_the_network(case, config, cold):
    check(case, config, cold)
