"""A network run on the Verilog of a core while its ports are recorded and its activity is counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from quiesce.sim.build import Simulator, build_simulator, counter_mark
from quiesce.sim.core_text import core_text
from quiesce.sim.energy.module_activity import ModuleActivity
from quiesce.sim.flow import RunOptions, deploy
from quiesce.sim.gates.replay.recording import RECORD, Recording, Stretch, read_recording, with_recorder
from quiesce.sim.job import run_job
from quiesce.spec.config import CoreConfig
from quiesce.spec.performance import Counter
from quiesce.sw.format.network import Network

__all__ = ["WAITING", "Recorder", "Stimulus"]

WAITING = -1
"""In place of a counter set: cycles behind the run, in which the core waits for the next one."""


@dataclass(frozen=True)
class Stimulus:
    """Attributes
    ----------
    recording : Recording
    layers : dict of int to str
        Names of the network's layers by counter set.
    counters : dict of int to dict of Counter to int
        What the core counted, by counter set.
    activity : dict of int to dict of str to ModuleActivity
        Of the RTL, by counter set and module path.
    """

    recording: Recording
    layers: dict[int, str]
    counters: dict[int, dict[Counter, int]]
    activity: Mapping[int, Mapping[str, ModuleActivity]]

    def with_waiting(self, cycles: int) -> "Stimulus":
        """The same run, and then ``cycles`` in which the ports stay as they were at its end.

        A core that does something else instead differs from that.
        """
        end = self.recording.cycles
        inputs, outputs = (
            {name: np.concatenate([bits, np.repeat(bits[-1:], cycles, axis=0)]) for name, bits in ports.items()}
            for ports in (self.recording.inputs, self.recording.outputs)
        )
        recording = Recording(inputs, outputs, (*self.recording.stretches, Stretch(WAITING, end, end + cycles)))
        nothing = dict.fromkeys(Counter, 0) | {Counter.CYCLES: cycles}
        return Stimulus(recording, self.layers | {WAITING: "waiting"}, self.counters | {WAITING: nothing}, self.activity)

    def windows(self, layer: int) -> tuple[tuple[int, int], ...]:
        """Cycles of a counter set."""
        return tuple((stretch.begin, stretch.end) for stretch in self.recording.stretches if stretch.layer == layer)


class Recorder:
    """A simulator of one core that records its ports.

    Raises
    ------
    BuildError
        It cannot be built.
    """

    def __init__(self, config: CoreConfig) -> None:
        text = core_text(config)
        self._config, self._verilog = config, text.verilog
        recorded = with_recorder(text.monitored, counter_mark(), text.verilog)
        self.simulator: Simulator = build_simulator(recorded, toggles=True)

    def record(self, network: Network, inputs: npt.NDArray[np.int8], *, dense: bool = False) -> Stimulus:
        """Run some images from reset.

        Raises
        ------
        SimError, CoreError
            The simulator failed, or the core stopped with an error.
        """
        deployment = deploy(network, inputs, self._config, RunOptions(dense=dense))
        with TemporaryDirectory(prefix="quiesce-") as folder:
            phase = run_job(self.simulator, deployment.job(deployment.phase(toggles=True)), Path(folder)).phases[0]
            recording = read_recording(Path(folder) / RECORD, self._verilog)
        counters = deployment.report(phase.values).counters
        names = {plan.counter: plan.name for plan in deployment.program.layers}
        return Stimulus(recording, names, counters, phase.activity)
