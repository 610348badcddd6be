"""Speed of co-simulation, with and without counting activity, against a bare C++ loop over the same bench."""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from quiesce.sim.build import Simulator, build_simulator
from quiesce.sim.core_text import core_text
from quiesce.sim.errors import SimError
from quiesce.sim.flow import deploy
from quiesce.sim.job import Job, run_job
from quiesce.spec.config import CoreConfig, preset
from quiesce.sw.format.network import Network

__all__ = ["Speed", "measure_speed", "network_speed"]


@dataclass(frozen=True)
class Speed:
    """Cycles per second of wall time between start and done.

    Attributes
    ----------
    cycles : int
        Equal in all.
    cosim, loop : float
        Cycles per second under cocotb, and of the bare loop.
    counting : float or None
        Under cocotb with the activity of all nets counted; None if that was not measured.
    """

    cycles: int
    cosim: float
    loop: float
    counting: float | None = None

    @property
    def ratio(self) -> float:
        return self.cosim / self.loop


def measure_speed(verilog: str, job: Job, *, monitored: str | None = None, mark: str | None = None, repeat: int = 3) -> Speed:
    """Run the first phase of a job in each way, alternating, and take the best of ``repeat`` runs of each.

    Parameters
    ----------
    monitored : str, optional
        The same Verilog with its activity open, see ``energy.monitors``, to measure the speed of counting, too.

    Raises
    ------
    SimError
        A run failed, or they took different cycles.
    """
    job = Job(job.memory, job.phases[:1], job.bus)
    with_cocotb = build_simulator(verilog, mark=mark)
    bare = build_simulator(verilog, main="loop", mark=mark)
    counted = None if monitored is None else build_simulator(monitored, mark=mark, toggles=True)
    cycles: set[int] = set()
    cosim = loop = counting = 0.0
    for _ in range(repeat):
        n_cycles, rate = _run(with_cocotb, job)
        cosim = max(cosim, rate)
        loop_cycles, rate = _run(bare, job)
        loop = max(loop, rate)
        cycles |= {n_cycles, loop_cycles}
        if counted is not None:
            n_cycles, rate = _run(counted, Job(job.memory, [replace(job.phases[0], toggles=True)], job.bus))
            counting = max(counting, rate)
            cycles.add(n_cycles)
    if len(cycles) > 1:
        raise SimError(f"the runs took different cycles: {sorted(cycles)}")
    return Speed(cycles.pop(), cosim, loop, counting or None)


def _run(simulator: Simulator, job: Job) -> tuple[int, float]:
    with TemporaryDirectory(prefix="quiesce-") as folder:
        phase = run_job(simulator, job, Path(folder)).phases[0]
    return phase.cycles, phase.cycles / phase.seconds


def network_speed(network: Network, inputs: npt.NDArray[np.int8], *, config: CoreConfig | None = None, repeat: int = 3) -> Speed:
    """Speed of simulating a network on inputs (N, rows, cols, chans).

    Raises
    ------
    SimError, CompileError, FormatError
        See ``cosim``.
    """
    config = config or preset("base")
    core = core_text(config)
    return measure_speed(core.verilog, deploy(network, inputs, config).job(), monitored=core.monitored, repeat=repeat)
