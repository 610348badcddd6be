"""Runs a job (see ``quiesce.sim.job``) in the bare C++ loop: a process that starts in milliseconds, without cocotb and Python."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from quiesce.sim.build import Simulator
from quiesce.sim.errors import SimError

__all__ = ["PhaseOutcome", "run_loop"]


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


def run_loop(simulator: Simulator, folder: Path, bus: Mapping[str, int], limits: Sequence[int]) -> list[PhaseOutcome]:
    """Run the phases whose scripts lie in ``folder``.

    Parameters
    ----------
    bus : mapping of str to int
        Fields of ``Bus``.
    limits : sequence of int
        Of each phase, see ``JobPhase``.

    Returns
    -------
    list of PhaseOutcome
        Of each phase.

    Raises
    ------
    SimError
        The process failed.
    """
    command = [simulator.executable, folder / "memory.bin", bus["latency"], bus["gap"], bus["stall"], bus["seed"]]
    for index, limit in enumerate(limits):
        command += [folder / f"{index}.script", folder / f"{index}.results", limit]
    done = subprocess.run([str(part) for part in command], cwd=folder, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    if done.returncode or len(lines) != len(limits):
        reason = done.stderr.strip() or done.stdout.strip() or f"status {done.returncode}"
        raise SimError(f"the bare loop failed: {reason}")
    outcomes = []
    for line in lines:
        cycles, seconds, timeout, fault = line.split()
        outcomes.append(PhaseOutcome(cycles=int(cycles), seconds=float(seconds), timeout=bool(int(timeout)), fault=int(fault)))
    return outcomes
