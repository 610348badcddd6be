"""Jobs on the stand-in core: memory, latency, back-pressure, faults, toggle windows."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from quiesce.sim.build import Simulator, build_simulator
from quiesce.sim.errors import CoreError, SimError
from quiesce.sim.job import BrokenRule, Bus, Job, JobResult, Progress, run_job
from quiesce.sim.script import Setup, run_script
from quiesce.spec.registers import CORE_ID, ErrorCode, Register, Status
from tests.sim import standin
from tests.sim.energy.saif import read_nets, window_toggles

Runner = Callable[..., JobResult]


@pytest.fixture(scope="module")
def simulator() -> Simulator:
    return build_simulator(standin.VERILOG, mark=standin.MARK, windows=True)


@pytest.fixture
def run(simulator: Simulator, tmp_path: Path) -> Runner:
    """Run a job on the stand-in, each in a folder of its own."""
    folders = (tmp_path / str(n) for n in count())

    def run(job: Job, progress: Progress | None = None) -> JobResult:
        folder = next(folders)
        folder.mkdir()
        return run_job(simulator, job, folder, progress)

    return run


def incremented(n_items: int) -> np.ndarray:
    """The memory as the stand-in must leave it."""
    memory = standin.memory()
    size = n_items * standin.ITEM_BYTES
    memory[standin.OUTPUT : standin.OUTPUT + size] = memory[standin.INPUT : standin.INPUT + size] + 1
    return memory


def cycles(result: JobResult, phase: int = 0) -> int:
    values = result.phases[phase].values
    return values["end"] - values["begin"]


def test_memory_round_trip_and_report(run: Runner) -> None:
    script = standin.script(20)
    result = run(standin.job(script))
    np.testing.assert_array_equal(result.memory, incremented(20))
    values = result.phases[0].values
    assert (values["id"], values["error"], values["items"]) == (CORE_ID, ErrorCode.NONE, 20)
    assert values["status"] == 1 << Status.DONE
    assert 0 < values["end"] - values["begin"] < result.phases[0].cycles


def test_latency_and_bandwidth_are_exact(run: Runner) -> None:
    script = standin.script(10)
    taken = {bus: cycles(run(standin.job(script, bus=bus))) for bus in (
        Bus(latency=20), Bus(latency=50), Bus(latency=20, gap=1),
    )}  # fmt: skip
    fast, slow, narrow = taken.values()
    # Each item waits for one read and for one write response.
    assert slow - fast == 10 * 2 * 30
    # Of 16 beats each way, all but the last are followed by one of the same burst.
    assert narrow - fast == 10 * 2 * 15


@pytest.mark.parametrize("seed", [1, 2, 0xFFFF_FFFF])
def test_random_back_pressure_changes_the_time_only(run: Runner, seed: int) -> None:
    script = standin.script(10)
    phases = standin.job(script, script, bus=Bus(stall=160, seed=seed))
    result = run(phases)
    np.testing.assert_array_equal(result.memory, incremented(10))
    assert cycles(result) == cycles(result, phase=1), "the same seed must stall the same"
    assert cycles(result) > cycles(run(standin.job(script)))


def test_read_beyond_the_memory_is_a_bus_error(run: Runner) -> None:
    script = standin.script(3, input_base=standin.MEMORY_BYTES - 2 * standin.ITEM_BYTES)
    result = run(standin.job(script))
    values = result.phases[0].values
    assert values["status"] == 1 << Status.ERROR
    assert (values["error"], values["items"]) == (ErrorCode.BUS_READ, 2)


@pytest.mark.parametrize(
    ("bases", "fault"),
    [
        ({"input_base": 0x4000 - 64}, BrokenRule.READ_CROSSES_PAGE),
        ({"output_base": 0x8000 - 8}, BrokenRule.WRITE_CROSSES_PAGE),
        ({"input_base": 0x4004}, BrokenRule.READ_KIND),
        ({"output_base": 0x8001}, BrokenRule.WRITE_KIND),
    ],
)
def test_broken_bus_rules_are_named(run: Runner, bases: dict[str, int], fault: BrokenRule) -> None:
    with pytest.raises(CoreError, match=f"broken by the core: .*{fault.name}"):
        run(standin.job(standin.script(1, **bases)))


@pytest.mark.parametrize(
    ("broken", "fault"), [(1, BrokenRule.WRITE_LAST), (2, BrokenRule.READ_ADDRESS_UNSTABLE), (3, BrokenRule.READ_HAZARD)]
)
def test_faulty_cores_are_caught(run: Runner, broken: int, fault: BrokenRule) -> None:
    script = standin.script(30, broken=broken)
    with pytest.raises(CoreError, match=f"broken by the core: .*{fault.name}"):
        run(standin.job(script, bus=Bus(stall=128, seed=5), limit=100_000))


def test_cycle_limit(run: Runner) -> None:
    with pytest.raises(CoreError, match="no interrupt within"):
        run(standin.job(standin.script(20), limit=500))


def test_unmapped_results_are_an_error(run: Runner) -> None:
    script = standin.script(1)
    with pytest.raises(SimError, match="reported 3 of"):
        script.decode(np.zeros(3, np.uint64))
    with pytest.raises(SimError, match="does not fit in 32 bits"):
        script.write(Register.N_ITEMS, 1 << 32)


@pytest.mark.parametrize("field", [{"latency": 1}, {"stall": 256}, {"seed": 0}, {"gap": -1}])
def test_bus_parameters_are_checked(field: dict[str, int]) -> None:
    with pytest.raises(SimError, match=f"bus {next(iter(field))}: .* is not in"):
        Bus(**field)


def test_broken_simulator_is_reported(simulator: Simulator, tmp_path: Path) -> None:
    with pytest.raises(SimError, match="simulator failed"):
        run_job(replace(simulator, top="nothing"), standin.job(standin.script(1)), tmp_path)


def test_progress_is_passed_on(run: Runner) -> None:
    seen: list[int] = []
    script = standin.script(1)
    # One item over and over: the regions need not grow.
    setup = Setup(
        n_items=20_000, prologue_beats=0, body_beats=0, input_stride=0, output_stride=0,
        regions=[(0, 0), (0, 0), (standin.INPUT, 128), (standin.OUTPUT, 128)],
    )  # fmt: skip
    long = run_script(setup, [])
    result = run(standin.job(script, long, limit=0), seen.append)
    assert result.phases[1].values["items"] == 20_000
    assert seen and all(0 < items < 20_000 for items in seen)


def test_windows_cover_the_layers(run: Runner) -> None:
    """Reading is layer 0, writing layer 1: two windows per item, which together cover the run."""
    script = standin.script(3)
    result = run(standin.job(script, script, windows=True))
    plain, traced = result.phases
    assert cycles(result) == cycles(result, phase=1)
    assert plain.windows == ()
    assert [window.layer for window in traced.windows] == [0, 1] * 3
    # Outside the windows are the cycles between start and the host's waiting, and those after the last flush.
    assert 0 <= cycles(result) - sum(window.cycles for window in traced.windows) < 8


def net_toggles(path: Path, name: str) -> int:
    return sum(net.toggles for net in read_nets(path) if net.name.partition("\\")[0].partition("[")[0] == name)


def test_window_toggles_are_those_of_the_data(run: Runner) -> None:
    """The buffer's bits toggle where an item differs from the one before: known exactly."""
    script = standin.script(4)
    result = run(standin.job(script, script, windows=True))
    data = standin.memory()[standin.INPUT :][: 4 * standin.ITEM_BYTES].reshape(4, standin.ITEM_BYTES) + np.uint8(1)
    for item in range(1, 4):
        # The last beat is stored in the cycle after the mark, which belongs to the next window.
        windows = result.phases[1].windows[2 * item : 2 * item + 2]
        buffer = [net_toggles(window.closed, "buffer") - net_toggles(window.opened, "buffer") for window in windows]
        changed = np.unpackbits(data[item] ^ data[item - 1]).reshape(16, 64).sum(axis=1)
        assert buffer == [changed[:-1].sum(), changed[-1]]
        # Parameters are constant: counted as set at the opening, but never as toggles.
        assert net_toggles(windows[0].opened, "ADDR_WIDTH") == net_toggles(windows[0].closed, "ADDR_WIDTH") == 1
        for window, own in zip(windows, buffer, strict=True):
            assert window_toggles(window.opened, window.closed)["tb", "dut"] > own


@pytest.mark.parametrize("wanted", ["toggles", "windows"])
def test_simulators_that_cannot_count(simulator: Simulator, tmp_path: Path, wanted: str) -> None:
    job = standin.job(standin.script(1))
    counted = replace(job, phases=[replace(job.phases[0], **{wanted: True})])
    with pytest.raises(SimError, match=f"built without {wanted}"):
        run_job(replace(simulator, toggles=False, windows=False), counted, tmp_path)
