"""Runs a job (see ``quiesce.sim.job``) in the bare C++ loop: a process that starts in milliseconds, without cocotb and Python."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from quiesce.sim.build import Simulator
from quiesce.sim.errors import SimError

__all__ = ["run_loop"]


def run_loop(simulator: Simulator, folder: Path, bus: Mapping[str, int], limits: Sequence[int]) -> list[dict[str, Any]]:
    """Run the phases whose scripts lie in ``folder``.

    Parameters
    ----------
    bus : mapping of str to int
        Fields of ``Bus``.
    limits : sequence of int
        Of each phase, see ``Phase``.

    Returns
    -------
    list of dict
        What the bench reports of each phase: cycles, seconds, timeout, fault, windows.

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
        outcomes.append(
            {"cycles": int(cycles), "seconds": float(seconds), "timeout": int(timeout), "fault": int(fault), "windows": []}
        )
    return outcomes
