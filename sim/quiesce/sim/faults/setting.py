"""A sound run of a network, for others with faults to be compared with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from quiesce.sim.build import Simulator
from quiesce.sim.errors import CoreError
from quiesce.sim.faults.experiment import Experiment, ExperimentOutcome, Fault, run_experiments
from quiesce.sim.faults.state import State
from quiesce.sim.flow import Deployment, RunOptions, deploy
from quiesce.sim.job import Bus
from quiesce.sim.script import Script
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import Region
from quiesce.spec.registers import Control, ErrorCode, Register, Status
from quiesce.sw import reference
from quiesce.sw.format.errors import FormatError
from quiesce.sw.format.network import Network

__all__ = ["SETTLE", "Setting", "sound_run"]

SETTLE = 4096
"""Cycles after a RESET, for what is under way."""


@dataclass(frozen=True)
class Setting:
    """A sound run, and what can be damaged in it.

    Attributes
    ----------
    watchdog : int
        Cycles without a packet before the core gives up; the host does after some times as many.
    first, last : int
        Cycles of the start and of the interrupt.
    n_beats, n_responses : int
        Of the bus.
    beats : ndarray
        See ``ExperimentOutcome``.
    """

    deployment: Deployment
    expected: npt.NDArray[np.int8]
    watchdog: int
    first: int = 0
    last: int = 0
    n_beats: int = 0
    n_responses: int = 0
    beats: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    states: Sequence[State] = ()

    def experiment(self, fault: Fault | None = None, reset_after: int | None = None) -> Experiment:
        """A run with a fault, or one that is reset after some cycles and then repeated."""
        script = Script()
        script.set_up(replace(self.deployment.setup(), watchdog=self.watchdog))
        script.start()
        if reset_after is not None:
            script.pause(reset_after)
            script.write(Register.CONTROL, 1 << Control.RESET)
            script.pause(SETTLE)
            script.read(Register.STATUS, "reset")
            script.write(Register.IRQ_STATUS, 3)
            script.start()
        script.finish()
        return Experiment(() if fault is None else (fault,), script, 4 * (self.watchdog + SETTLE))

    def beats_of(self, region: Region) -> npt.NDArray[np.int64]:
        """Cycle and address of the data beats from a region."""
        base, size = self.deployment.regions[region]
        return self.beats[(self.beats[:, 1] >= base) & (self.beats[:, 1] < base + size)]

    def run(
        self, simulator: Simulator, experiments: Sequence[Experiment], progress: Callable[[int], None] | None = None
    ) -> list[ExperimentOutcome]:
        """Run experiments on the memory as it is before the sound run, see ``run_experiments``."""
        regions = self.deployment.regions[Region.SCRATCH], self.deployment.regions[Region.OUTPUT]
        return run_experiments(simulator, self.deployment.memory, regions, experiments, self.deployment.options.bus, progress)

    def verdict(self, outcome: ExperimentOutcome) -> str:
        """What became of a run.

        Returns
        -------
        str
            "masked" (the right answer), "wrong", "hang", "outside" (a write outside the regions), the name of the core's
            ErrorCode, or "host": the outputs are not well-formed or not of as many items as were asked for, or there is no such
            ErrorCode.
        """
        if outcome.outside:
            return "outside"
        if outcome.timeout or outcome.values.get("reset", 0):
            return "hang"
        if outcome.values["error"]:
            code = outcome.values["error"] & 0xFF
            return ErrorCode(code).name if code in set(ErrorCode) else "host"
        if outcome.values["status"] != 1 << Status.DONE or outcome.values["items"] != len(self.expected):
            return "host"
        try:
            outputs = self.deployment.program.decode_outputs(outcome.output, len(self.expected))
        except FormatError:
            return "host"
        return "masked" if np.array_equal(outputs, self.expected) else "wrong"


def sound_run(network: Network, inputs: npt.NDArray[np.int8], config: CoreConfig, bus: Bus, simulator: Simulator) -> Setting:
    """The run without faults, which has to be right."""
    deployment = deploy(network, inputs, config, RunOptions(bus=bus))
    expected = reference.run(network, inputs).outputs
    longest = max(plan.dense_macs for plan in deployment.program.layers)
    setting = Setting(deployment, expected, (1 << 20) + 16 * longest)
    (outcome,) = setting.run(simulator, [setting.experiment()])
    if (verdict := setting.verdict(outcome)) != "masked":
        raise CoreError(f"without any fault the run ends as {verdict!r}")
    return replace(
        setting, watchdog=outcome.cycles + SETTLE, first=outcome.values["begin"], last=outcome.values["end"],
        n_beats=outcome.n_beats, n_responses=outcome.n_responses, beats=outcome.beats,
    )  # fmt: skip
