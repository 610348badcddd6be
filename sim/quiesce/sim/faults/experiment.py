"""Runs of a core with faults, each from power-up, all in one process of the bare C++ loop (``main.cpp``)."""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from quiesce.sim.build import Simulator
from quiesce.sim.errors import SimError
from quiesce.sim.job import Bus
from quiesce.sim.script import Script

__all__ = ["BusFault", "Experiment", "Fault", "FaultKind", "ExperimentOutcome", "run_experiments"]


class FaultKind(IntEnum):
    """What is damaged."""

    MEMORY = 0
    STATE = 1
    READ = 2
    WRITE = 3


class BusFault(IntEnum):
    """What the memory does wrong; the numbers are those of ``axi_memory.sv``."""

    ERROR = 1
    LOST = 2
    TWICE = 3
    LATE = 4
    LOST_BURST = 5
    SWAPPED = 6
    """With the next burst, if there is one."""


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes
    ----------
    kind : FaultKind
    time : int
        Cycle of a flip, from the first access of the script on.
    where : int
        Byte address, number of the state, or number of the data beat or write response.
    word : int
        Of a memory in the state; for ``BusFault.LATE`` cycles.
    bit : int
        Of the byte or word, or a BusFault.
    """

    kind: FaultKind
    time: int
    where: int
    word: int
    bit: int


@dataclass(frozen=True)
class Experiment:
    """Faults, the accesses of the host, and the cycles after which it gives up."""

    faults: tuple[Fault, ...]
    script: Script
    limit: int

    def line(self) -> str:
        """As ``main.cpp`` reads it."""
        words = [self.limit, len(self.faults)]
        for fault in self.faults:
            words += [fault.kind, fault.time, fault.where, fault.word, fault.bit]
        operations = self.script.encode()
        return " ".join(map(str, [*map(int, words), len(operations), *operations.ravel().tolist()]))


@dataclass(frozen=True)
class ExperimentOutcome:
    """What became of an experiment.

    Attributes
    ----------
    cycles : int
    timeout : bool
        The host gave up.
    outside : bool
        The core wrote where it must not.
    n_beats, n_responses : int
        Data beats and write responses that the memory was asked for.
    values : dict
        What the script read, by key; empty after a timeout.
    output : bytes
        Region OUTPUT.
    beats : ndarray
        int64, (n_beats, 2): cycle and byte address of each data beat, of an experiment without faults.
    """

    cycles: int
    timeout: bool
    outside: bool
    n_beats: int
    n_responses: int
    values: dict[object, int]
    output: bytes
    beats: npt.NDArray[np.int64]


def run_experiments(
    simulator: Simulator,
    memory: npt.NDArray[np.uint8],
    regions: tuple[tuple[int, int], tuple[int, int]],
    experiments: Sequence[Experiment],
    bus: Bus,
    progress: Callable[[int], None] | None = None,
) -> list[ExperimentOutcome]:
    """Run every experiment on the same memory.

    Parameters
    ----------
    simulator : Simulator
        Built with ``main="faults"``.
    regions : (base, size) of SCRATCH and of OUTPUT
        Where the core may write.
    progress : callable, optional
        Called with the number of experiments done.

    Raises
    ------
    SimError
        The simulator failed.
    """
    with TemporaryDirectory(prefix="quiesce-") as name:
        folder = Path(name)
        memory.tofile(folder / "memory.bin")
        (folder / "experiments").write_text("".join(f"{experiment.line()}\n" for experiment in experiments))
        numbers = (bus.latency, bus.gap, bus.stall, bus.seed, *regions[0], *regions[1])
        command = [simulator.executable, *(folder / file for file in ("memory.bin", "experiments", "outputs")), *numbers]
        lines = []
        with (
            (folder / "log").open("w") as log,
            subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=log, text=True) as process,
        ):
            for line in process.stdout or ():
                lines.append(line)
                if progress:
                    progress(len(lines))
        if process.returncode or len(lines) != len(experiments):
            raise SimError(f"the simulator of faults failed: {(folder / 'log').read_text().strip() or process.returncode}")
        outputs = (folder / "outputs").read_bytes()
    size = regions[1][1]
    return [
        _outcome(experiment, [int(word) for word in line.split()], outputs[index * size : (index + 1) * size])
        for index, (experiment, line) in enumerate(zip(experiments, lines, strict=True))
    ]


def _outcome(experiment: Experiment, words: list[int], output: bytes) -> ExperimentOutcome:
    cycles, timeout, outside, n_beats, n_responses, n_values, *rest = words
    read = {} if timeout else experiment.script.decode(np.array(rest[:n_values], np.uint64))
    beats = np.array(rest[n_values:], np.int64).reshape(-1, 2)
    return ExperimentOutcome(cycles, bool(timeout), bool(outside), n_beats, n_responses, read, output, beats)
