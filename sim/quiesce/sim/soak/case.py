"""One case of a soak: a network, inputs, a memory and a mode, and whether a core runs it bit for bit."""

import resource
import time
from dataclasses import asdict, dataclass
from enum import Enum

from quiesce.sim.cosimulation import cosim
from quiesce.sim.errors import CoreError
from quiesce.sim.flow import Deployment, RunOptions, deploy
from quiesce.sim.job import Bus
from quiesce.sim.result import Run
from quiesce.sim.soak.draws import Draws, seeded
from quiesce.sim.soak.layers import Acts
from quiesce.sim.soak.networks import Limits, random_network
from quiesce.spec.config import CoreConfig
from quiesce.sw.compiler import CompileError
from quiesce.sw.format.network import Network

__all__ = ["SoakCase", "Outcome", "Trial", "case_of", "draw_case", "run_case"]

WATCHDOG = 1 << 18
"""Cycles without a finished packet before the core gives up: far more than any pass of a case takes."""
_MOST_LANES_COUNTED = 4
"""Activity is counted on small cores: it takes a build of its own, and seconds a case."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SoakCase:
    """A network and how it runs.

    Parameters
    ----------
    network : Network
    inputs : ndarray
        int8, (N, rows, cols, chans).
    options : RunOptions
    calibration : ndarray, optional
        See ``deploy``.
    """

    network: Network
    inputs: Acts
    options: RunOptions
    calibration: Acts | None = None

    def __repr__(self) -> str:
        return "\n".join(self.describe())

    def deploy(self, config: CoreConfig) -> Deployment:
        """It in the memory of a core; CompileError if no mapping runs it."""
        return deploy(self.network, self.inputs, config, self.options, calibration=self.calibration)

    def describe(self) -> list[str]:
        """Lines of text: how it runs, the inputs, the layers."""
        shapes, net = self.network.shapes(), self.network
        options = self.options
        shown = {"dense": options.dense, "cold": options.cold, **asdict(options.bus), "energy": options.energy}
        nonzero = [int((image != 0).sum()) for image in self.inputs]
        lines = [
            ", ".join(f"{name} {int(value)}" for name, value in shown.items()),
            f"input {self.inputs.shape}, {nonzero} nonzero, {net.input.low}..{net.input.high}, {net.input.bits} bits",
        ]
        for layer in net.layers:
            window = f"kernel {layer.kernel} stride {layer.stride} pad {layer.pad} dilation {layer.dilation}"
            weights = "" if layer.weight is None else f", {int((layer.weight != 0).sum())} weights of {layer.weight_bits} bits"
            lines.append(
                f"{layer.name}: {layer.op.name} of {', '.join(layer.inputs)} -> {shapes[layer.name]}, {window}, "
                f"groups {layer.groups}{weights}, {layer.low}..{layer.high}, {layer.bits} bits, threshold {layer.threshold}, "
                f"winners {layer.winners}"
            )
        return lines


class Outcome(str, Enum):
    """How a case ended."""

    EXACT = "exact"
    REFUSED = "refused"
    """The compiler says that no mapping runs it."""
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What came of a case.

    Attributes
    ----------
    outcome : Outcome
    message : str
        What differs, or why it was refused.
    layers, items, cycles : int
        Of the network, of the run, and simulated.
    energy : bool
        Activity was counted.
    seconds : float
        Of this processor, and of the simulator.
    """

    outcome: Outcome
    message: str = ""
    layers: int
    items: int
    cycles: int = 0
    energy: bool = False
    seconds: float = 0.0


def draw_case(draws: Draws, config: CoreConfig, limits: Limits | None = None) -> SoakCase:
    """A case for a core."""
    limits = limits or Limits()
    dense, cold, calibrated = draws.chance(15), draws.chance(25), draws.chance(25)
    bus = Bus(
        latency=draws.choice([32, 2, 5, 32, 200]), gap=draws.choice([0, 0, 0, 1, 5]), stall=draws.choice([0, 0, 60, 150, 220]),
        seed=draws.integer(1, 1 << 30),
    )  # fmt: skip
    energy = draws.chance(limits.counted) and config.total_lanes <= _MOST_LANES_COUNTED
    options = RunOptions(
        dense=dense, cold=cold, bus=bus, watchdog=WATCHDOG, energy=energy, simulator="verilator" if energy else "loop"
    )
    network, inputs = random_network(draws, config, limits, dense=dense)
    return SoakCase(network=network, inputs=inputs, options=options, calibration=inputs[:1] if calibrated else None)


def case_of(seed: int, config: CoreConfig, limits: Limits | None = None) -> SoakCase:
    """The case of a seed, always the same for the same core."""
    return draw_case(seeded((seed, 1)), config, limits)


def run_case(case: SoakCase, config: CoreConfig) -> Trial:
    """Compile and simulate a case, and compare outputs and counts with the integer reference."""
    begin = time.process_time() + _children()
    outcome, message, cycles = Outcome.EXACT, "", 0
    try:
        run = cosim(case.network, case.inputs, config=config, calibration=case.calibration, options=case.options)
    except CompileError as error:
        outcome, message = Outcome.REFUSED, str(error)
    except CoreError as error:
        outcome, message = Outcome.FAILED, str(error)
    except (ArithmeticError, AssertionError, LookupError, TypeError, ValueError) as error:  # a fault of ours, to be counted
        outcome, message = Outcome.FAILED, f"{type(error).__name__}: {error}"
    else:
        cycles, message = run.simulated_cycles, run.mismatch or _miscounted(run, config)
        outcome = Outcome.FAILED if message else Outcome.EXACT
    return Trial(
        outcome=outcome, message=message, layers=len(case.network.layers), items=len(case.inputs), cycles=cycles,
        energy=case.options.energy, seconds=time.process_time() + _children() - begin,
    )  # fmt: skip


def _children() -> float:
    """Seconds of this processor that ended children took."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _miscounted(run: Run, config: CoreConfig) -> str:
    """The first layer whose lane-cycles do not add up, or nothing."""
    for layer in run.layers:
        counted, cycles = sum(layer.idle.values()) + layer.counters["macs"], config.total_lanes * layer.cycles
        if counted != cycles:
            return f"layer {layer.name!r}: {counted} lane-cycles busy and idle instead of {cycles}"
    return ""
