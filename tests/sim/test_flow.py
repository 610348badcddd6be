"""From a network to a job and from what a core reports to counters, without a simulator."""

from dataclasses import replace

import numpy as np
import pytest

from quiesce.sim.errors import CoreError, SimError
from quiesce.sim.flow import Deployment, RunOptions, deploy, lay_out
from quiesce.sim.job import Bus
from quiesce.sim.script import Operation
from quiesce.spec.config import preset
from quiesce.spec.isa import Region
from quiesce.spec.performance import Counter
from quiesce.spec.registers import CORE_ID, Control, ErrorCode, Register, Status
from quiesce.sw import reference
from tests import networks
from tests.sim.cores import TINY

RNG = np.random.default_rng(8)
NETWORK = networks.network([networks.linear(RNG, "a", "input", 32, 6), networks.linear(RNG, "b", "a", 6, 4)], (4, 4, 2))
INPUTS = networks.inputs(RNG, NETWORK, 3, 0.5)
TWO = replace(TINY, n_cores=2)


@pytest.fixture(scope="module")
def deployment() -> Deployment:
    return deploy(NETWORK, INPUTS, TWO, RunOptions(dense=True, bus=Bus(latency=9)))


def reported(deployment: Deployment, **changes: int) -> dict[object, int]:
    """Values of a run in which core c counted 10 layer + c of everything but cycles."""
    values: dict[object, int] = {"id": CORE_ID, "status": 1 << Status.DONE, "error": 0, "items": 3, "begin": 100, "end": 1100}
    for core in range(TWO.n_cores):
        for plan in deployment.program.layers:
            for counter in Counter:
                number = 500 if counter is Counter.CYCLES else 10 * plan.counter + core
                values[core * TWO.max_layers + plan.counter, counter, "low"] = number
                values[core * TWO.max_layers + plan.counter, counter, "high"] = 0
    return values | changes


def test_regions_begin_on_pages_and_do_not_overlap(deployment: Deployment) -> None:
    ends = 0
    for base, size in deployment.regions:
        assert base % 4096 == 0 and base >= ends
        ends = base + size
    assert len(deployment.memory) >= ends
    base, size = deployment.regions[Region.PROGRAM]
    assert deployment.memory[base : base + size].tobytes() == deployment.program.image


def test_too_many_items_for_the_address_space() -> None:
    program = deploy(NETWORK, INPUTS, preset("tiny", addr_width=20)).program
    _, n_bytes = lay_out(program, 10)
    assert n_bytes <= 1 << 20
    with pytest.raises(SimError, match="100000 images take .* the core addresses 1048576"):
        lay_out(program, 100_000)


def test_the_script_sets_the_run_up(deployment: Deployment) -> None:
    operations = deployment.phase(2).script.encode().tolist()
    written = {address: value for kind, address, value in operations if kind == Operation.WRITE}
    assert (written[Register.MODE], written[Register.N_ITEMS]) == (1, 2)
    assert written[Register.BASE + 8 * Region.OUTPUT] == deployment.regions[Region.OUTPUT][0]
    assert written[Register.CONTROL] == 1 << Control.START
    assert deployment.job().bus.latency == 9


def test_outputs_are_read_where_the_core_wrote_them(deployment: Deployment) -> None:
    """A core that copies what the reference computes."""
    expected = reference.run(NETWORK, INPUTS).outputs
    memory, program = deployment.memory.copy(), deployment.program
    base, size = deployment.regions[Region.OUTPUT]
    maps = memory[base : base + size].reshape(3, program.output_stride)
    maps[:, : program.output_layout.map_bytes] = program.output_layout.encode(expected)
    np.testing.assert_array_equal(deployment.outputs(memory), expected)


def test_counters_are_summed_over_the_cores_but_cycles_are_not(deployment: Deployment) -> None:
    report = deployment.report(reported(deployment))
    assert report.cycles == 1000
    second = deployment.program.layers[1].counter
    assert report.counters[second][Counter.EVENTS] == 2 * 10 * second + 1
    assert report.counters[second][Counter.CYCLES] == 500
    assert [counters[Counter.EVENTS] for counters in report.core_counters[second]] == [10 * second, 10 * second + 1]


def test_what_is_wrong_with_a_run_is_named(deployment: Deployment) -> None:
    with pytest.raises(CoreError, match="identifies itself as 0x00000007"):
        deployment.report(reported(deployment, id=7))
    failed = {"status": 1 << Status.ERROR, "error": 1 << 8 | ErrorCode.WATCHDOG, "items": 2}
    with pytest.raises(CoreError, match="core 1 stopped with error WATCHDOG after 2 items"):
        deployment.report(reported(deployment, **failed))
    values = reported(deployment)
    values[TWO.max_layers + deployment.program.layers[0].counter, Counter.CYCLES, "low"] += 1
    with pytest.raises(CoreError, match=r"the cores counted different cycles: \[500, 501\]"):
        deployment.report(values)


def test_bad_options() -> None:
    with pytest.raises(SimError, match="energy_items: 0 is not at least 1"):
        RunOptions(energy_items=0)
    with pytest.raises(SimError, match="energy: Icarus counts no activity"):
        RunOptions(simulator="icarus")
    with pytest.raises(SimError, match="bus latency: 0 is not in"):
        Bus(latency=0)
