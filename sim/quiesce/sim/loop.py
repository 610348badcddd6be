"""The bare C++ loop: a process that starts in milliseconds and runs scripts one after the other, without cocotb and Python."""

import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE
from typing import Self, TextIO

from quiesce.sim.build import Simulator
from quiesce.sim.errors import SimError

__all__ = ["LoopProcess", "PhaseOutcome"]


@dataclass(frozen=True, kw_only=True)
class PhaseOutcome:
    """What the bench says of a phase, in the bare loop or under cocotb.

    Parameters
    ----------
    cycles, seconds : int, float
        Of the phase, see ``PhaseResult``.
    timeout : bool
        The host gave up.
    fault : int
        See ``BrokenRule``.
    windows : list of (int, int)
        Counter set and cycles of each activity file.
    """

    cycles: int
    seconds: float
    timeout: bool
    fault: int
    windows: list[tuple[int, int]] = field(default_factory=list)


class LoopProcess:
    """The process, which runs scripts one after the other on one memory; a context manager that ends it.

    Parameters
    ----------
    memory : Path
        File that the simulator maps: what the core writes is there.
    bus : mapping of str to int
        Fields of ``Bus``.
    """

    def __init__(self, simulator: Simulator, folder: Path, memory: Path, bus: Mapping[str, int]):
        command = [simulator.executable, memory, *(bus[name] for name in ("latency", "gap", "stall", "seed"))]
        self._process = subprocess.Popen(
            [str(part) for part in command], cwd=folder, text=True, stdin=PIPE, stdout=PIPE, stderr=PIPE
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        with suppress(BrokenPipeError):
            self._pipe("stdin").close()
        self._process.wait()
        for name in ("stdout", "stderr"):
            self._pipe(name).close()

    def _pipe(self, name: str) -> TextIO:
        pipe: TextIO = getattr(self._process, name)
        return pipe

    def run(self, script: Path, results: Path, *, limit: int, reset: bool = True, activity: Path | None = None) -> PhaseOutcome:
        """Run a script, see ``JobPhase``.

        Parameters
        ----------
        results, activity : Path
            Files to write.

        Raises
        ------
        SimError
            The process failed.
        """
        order = (int(reset), limit, script, results, activity or "")
        with suppress(BrokenPipeError):
            self._pipe("stdin").write("\t".join(map(str, order)) + "\n")
            self._pipe("stdin").flush()
        fields = self._pipe("stdout").readline().split()
        if len(fields) != 4:
            self._process.kill()
            reason = self._pipe("stderr").read().strip() or f"status {self._process.wait()}"
            raise SimError(f"the bare loop failed: {reason}")
        cycles, seconds, timeout, fault = fields
        return PhaseOutcome(cycles=int(cycles), seconds=float(seconds), timeout=bool(int(timeout)), fault=int(fault))
