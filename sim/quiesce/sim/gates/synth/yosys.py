"""Yosys of the package ``pyosys``, in a process of its own: if it crashes, that is an error message here."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from quiesce.sim.gates.errors import SynthesisError

__all__ = ["DesignEdit", "StepResult", "run_yosys"]

_SESSION = "quiesce.sim.gates.synth.session"


@dataclass(frozen=True)
class DesignEdit:
    """A change to the design that Yosys has no command for.

    Parameters
    ----------
    function : str
        One of ``session.EDITS``.
    arguments : dict
        Of the function, behind the design; what JSON can hold.
    """

    function: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class StepResult:
    """How long a step took, and what its function returned."""

    seconds: float
    value: Any


def run_yosys(steps: Sequence[str | DesignEdit], folder: Path, log: str = "yosys.log") -> tuple[StepResult, ...]:
    """Run commands, and changes of our own, on one design, in ``folder``, where a file ``log`` is left.

    Raises
    ------
    SynthesisError
        pyosys is not installed, Yosys reports an error, or it crashes.
    """
    if find_spec("pyosys") is None:
        raise SynthesisError("synthesis needs pyosys: install quiesce[synth]")
    text = json.dumps([step if isinstance(step, str) else asdict(step) for step in steps])
    child = [sys.executable, "-P", "-m", _SESSION]
    run = subprocess.run(child, input=text, capture_output=True, text=True, cwd=folder, check=False)
    (folder / log).write_text(run.stdout + run.stderr)
    lines = run.stdout.strip().splitlines()
    if run.returncode or not lines or not lines[-1].startswith("["):
        errors = [line for line in (run.stdout + "\n" + run.stderr).splitlines() if "ERROR" in line]
        what = errors[-1].partition("ERROR:")[2].strip() if errors else f"it ended with status {run.returncode}"
        raise SynthesisError(f"Yosys: {what or errors[-1]}")
    return tuple(StepResult(seconds, value) for seconds, value in json.loads(lines[-1]))
