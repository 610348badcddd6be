"""Random directed acyclic networks, bit for bit on the RTL, events only and in dense mode."""

from graphs import graphs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quiesce.sim import cosim
from quiesce.sw.config import preset

TINY = preset("tiny", acc_width=32)


@given(graphs(max_layers=4, max_size=8, max_chans=20), st.booleans())
@settings(max_examples=6, suppress_health_check=list(HealthCheck), print_blob=True, report_multiple_bugs=False)
def test_random_graphs(case, dense):
    run = cosim(case.network, case.inputs, config=TINY, dense=dense, energy=False, latency=5)
    assert run.bit_exact, run.mismatch
