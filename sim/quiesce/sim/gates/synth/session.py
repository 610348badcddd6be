"""The process in which Yosys runs: steps as JSON from standard input, seconds and value of each to standard output's last line.

Yosys's own messages go to standard output, too.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from pyosys import libyosys as ys

from quiesce.sim.gates.errors import SynthesisError
from quiesce.sim.gates.synth.clock_gates import GateCell, gate_memories, gate_modules
from quiesce.sim.gates.synth.ram_extraction import extract_rams

__all__ = ["EDITS", "main"]

EDITS: dict[str, Callable[..., Any]] = {
    "extract_rams": lambda design, min_bits: [asdict(ram) for ram in extract_rams(design, min_bits)],
    "gate_memories": lambda design, gate: gate_memories(design, GateCell(**gate)),
    "gate_modules": lambda design, gate, fewest: gate_modules(design, GateCell(**gate), fewest),
}


def main() -> None:
    design, results = ys.Design(), []
    for step in json.load(sys.stdin):
        began = time.monotonic()
        if isinstance(step, str):
            value = ys.run_pass(step, design)
        else:
            try:
                value = EDITS[step["function"]](design, **step["arguments"])
            except SynthesisError as error:
                sys.exit(f"ERROR: {error}")
        results.append((time.monotonic() - began, value))
    print("\n" + json.dumps(results))


if __name__ == "__main__":
    main()
