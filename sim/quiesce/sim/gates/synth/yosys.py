"""Yosys of the package ``pyosys``, in a process of its own: if it crashes, that is an error message here."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from quiesce.sim.gates.errors import SynthesisError

__all__ = ["Command", "run_yosys"]

# Commands from standard input, seconds of each to standard output's last line; Yosys's own messages go to its log file.
_CHILD = """\
import json, sys, time
from pyosys import libyosys as ys
design, seconds = ys.Design(), []
for command in json.load(sys.stdin):
    began = time.monotonic()
    ys.run_pass(command, design)
    seconds.append(time.monotonic() - began)
print("\\n" + json.dumps(seconds))
"""


@dataclass(frozen=True)
class Command:
    """A command that ran, and how long."""

    text: str
    seconds: float


def run_yosys(commands: Sequence[str], folder: Path, log: str = "yosys.log") -> tuple[Command, ...]:
    """Run commands on one design, in ``folder``, where a file ``log`` is left.

    Raises
    ------
    SynthesisError
        pyosys is not installed, Yosys reports an error, or it crashes.
    """
    if find_spec("pyosys") is None:
        raise SynthesisError("synthesis needs pyosys: install quiesce[synth]")
    child = [sys.executable, "-c", _CHILD]
    run = subprocess.run(child, input=json.dumps(list(commands)), capture_output=True, text=True, cwd=folder, check=False)
    (folder / log).write_text(run.stdout + run.stderr)
    lines = run.stdout.strip().splitlines()
    if run.returncode or not lines or not lines[-1].startswith("["):
        errors = [line for line in (run.stdout + "\n" + run.stderr).splitlines() if "ERROR" in line]
        what = errors[-1].partition("ERROR:")[2].strip() if errors else f"it ended with status {run.returncode}"
        raise SynthesisError(f"Yosys: {what or errors[-1]}")
    return tuple(Command(text, seconds) for text, seconds in zip(commands, json.loads(lines[-1]), strict=True))
