"""Faults in a core that runs a network: what the program's check, the bus and RESET do about them, and the campaign itself."""

from dataclasses import replace

import numpy as np
import pytest

from quiesce.sim.build import build_simulator
from quiesce.sim.core_text import core_text
from quiesce.sim.faults.campaign import CLASSES, UNDETECTED, faults
from quiesce.sim.faults.experiment import BusFault, Experiment, Fault, FaultKind
from quiesce.sim.faults.setting import SETTLE, sound_run
from quiesce.sim.faults.state import list_state
from quiesce.sim.job import Bus
from quiesce.spec.isa import Region
from quiesce.spec.registers import RESET_CYCLES, Control, ErrorCode, Register, Status
from tests import networks
from tests.sim.cores import SMALL

CONFIG = replace(SMALL, n_cores=2)


def network_and_inputs():
    rng = np.random.default_rng(4)
    layers = [
        networks.conv(rng, "c", "input", 2, 3, (2, 2), density=0.5), networks.linear(rng, "f", "c", 2 * 3 * 3, 2, density=0.3)
    ]  # fmt: skip
    net = networks.network(layers, (3, 4, 2))
    return net, networks.inputs(rng, net, 2, 0.6)


@pytest.fixture(scope="module")
def simulator():
    return build_simulator(core_text(CONFIG).verilog, main="faults")


@pytest.fixture(scope="module")
def setting(simulator):
    return sound_run(*network_and_inputs(), CONFIG, Bus(latency=4), simulator)


def test_no_flipped_bit_of_a_program_goes_unnoticed(simulator, setting):
    base, size = setting.deployment.regions[Region.PROGRAM]
    flips = [Fault(FaultKind.MEMORY, 0, base + byte, 0, bit) for byte in range(size) for bit in range(8)]
    outcomes = setting.run(simulator, [setting.experiment(flip) for flip in flips])
    verdicts = [setting.verdict(outcome) for outcome in outcomes]
    assert {"PROGRAM_CHECK"} <= set(verdicts) <= {"PROGRAM_CHECK", "BAD_PACKET", "BOUNDS"}
    # Both items execute the damaged packet, so none is counted.
    assert all(outcome.values["items"] == 0 for outcome in outcomes)


@pytest.mark.parametrize("kind", [FaultKind.READ, FaultKind.WRITE])
def test_reset_gives_up_and_succeeds_when_the_response_has_come(simulator, setting, kind):
    sound = setting.experiment().script
    script = setting.experiment().script
    script.write(Register.CONTROL, 1 << Control.RESET)
    script.pause(RESET_CYCLES - 200)
    script.read(Register.STATUS, "waits")
    script.pause(400)
    script.read(Register.STATUS, "given up")
    script.read(Register.ERROR, "code")
    script.write(Register.CONTROL, 1 << Control.START)
    script.read(Register.STATUS, "refused")
    script.pause(RESET_CYCLES)
    script.write(Register.CONTROL, 1 << Control.RESET)
    script.pause(SETTLE)
    script.read(Register.STATUS, "reset again")
    script._operations += sound._operations
    script._keys += [("repeated", key) for key in sound._keys]
    late = 2 * RESET_CYCLES - SETTLE
    fault = Fault(kind, 0, (setting.n_beats if kind is FaultKind.READ else setting.n_responses) // 2, late, BusFault.LATE)
    (outcome,) = setting.run(simulator, [Experiment((fault,), script, 1 << 23)])
    values = outcome.values
    assert (values["status"], values["error"]) == (1 << Status.ERROR, ErrorCode.WATCHDOG)
    assert values["waits"] == 1 << Status.BUSY
    assert (values["given up"], values["code"]) == (1 << Status.ERROR, ErrorCode.RESET_TIMEOUT)
    assert values["refused"] == 1 << Status.ERROR
    assert values["reset again"] == 0
    repeated = replace(outcome, values={key: values["repeated", key] for key in ("status", "error", "items")})
    assert setting.verdict(repeated) == "masked"


def test_faults_of_the_bus_never_go_unnoticed(simulator):
    setting = sound_run(*network_and_inputs(), CONFIG, Bus(latency=6, stall=20), simulator)
    kinds = [BusFault.ERROR, BusFault.LOST, BusFault.TWICE, BusFault.LATE, BusFault.LOST_BURST]
    bus_faults = [
        Fault(kind, 0, number, 50, what)
        for kind, count in ((FaultKind.READ, setting.n_beats), (FaultKind.WRITE, setting.n_responses))
        for number in range(0, count, 1 + count // 25)
        for what in kinds
    ]
    outcomes = setting.run(simulator, [setting.experiment(fault) for fault in bus_faults])
    codes = {what: set() for what in kinds}
    for fault, outcome in zip(bus_faults, outcomes, strict=True):
        codes[fault.bit].add(setting.verdict(outcome))
        assert not codes[fault.bit] & set(UNDETECTED), (fault, codes)
    assert codes[BusFault.ERROR] == {"BUS_READ", "BUS_WRITE"} and codes[BusFault.LATE] == {"masked"}


def test_a_flipped_bit_of_the_run_control_stops_the_core_with_an_error():
    simulator, states = list_state(core_text(CONFIG).verilog)
    setting = sound_run(*network_and_inputs(), CONFIG, Bus(latency=4), simulator)
    (number,) = (number for number, state in enumerate(states) if state.path == "tb.dut state")
    middle = (setting.first + setting.last) // 2
    flips = [Fault(FaultKind.STATE, middle, number, 0, bit) for bit in range(3)]
    outcomes = setting.run(simulator, [setting.experiment(flip) for flip in flips])
    assert [setting.verdict(outcome) for outcome in outcomes] == ["WATCHDOG"] * 3


def test_campaign():
    net, inputs = network_and_inputs()
    done = []
    campaign = faults(net, inputs, config=CONFIG, n=6, seed=3, progress=done.append)
    assert done == list(range(1, 6 * len(CLASSES) + 1))
    assert [trial.class_ for trial in campaign.trials] == [name for name in CLASSES for _ in range(6)]
    assert campaign.count("resets") == {"masked": 6} and campaign.count("program") == {"PROGRAM_CHECK": 6}
    assert not any(trial.verdict in ("hang", "outside") for trial in campaign.trials)
    again = faults(net, inputs, config=CONFIG, n=6, seed=3, classes=["flip-flops"])
    assert again.trials == tuple(trial for trial in campaign.trials if trial.class_ == "flip-flops")
    assert campaign.to_dict()["counts"]["resets"] == {"masked": 6}
