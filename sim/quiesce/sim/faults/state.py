"""The state of a core opened to faults: every register and memory of its Verilog made writable by the bench."""

import re
import subprocess
from dataclasses import dataclass

from quiesce.sim.build import Simulator, build_simulator
from quiesce.sim.errors import SimError
from quiesce.sim.netlist import MIN_RAM_BITS

__all__ = ["State", "list_state", "open_state"]

_IDENTIFIER = r"\\\S+ |[A-Za-z_$][\w$]*"
_MODULE = re.compile(r"(?ms)^module .*?^endmodule")
_CLOCKED = re.compile(rf"(?m)^ +(?!assign )(?:[^\n;]*\) )?({_IDENTIFIER})\s*(?:\[[^\]\n]*\]\s*)*<= ")
_PUBLIC = " /*verilator public_flat_rw*/"


@dataclass(frozen=True)
class State:
    """A register, or a memory, of the core.

    Attributes
    ----------
    path : str
        Instance and name.
    bits, words : int
        Of a word, and words.
    """

    path: str
    bits: int
    words: int

    @property
    def n_bits(self) -> int:
        return self.bits * self.words

    @property
    def is_ram(self) -> bool:
        """Whether it is a memory large enough for a RAM, rather than flip-flops."""
        return self.words > 1 and self.n_bits >= MIN_RAM_BITS


def _open_module(found: re.Match[str]) -> str:
    text = found[0]
    clocked = {name.strip() for name in _CLOCKED.findall(text)}

    def declaration(match: re.Match[str]) -> str:
        return match[1] + _PUBLIC + match[3] if match[2].strip() in clocked else match[0]

    return re.sub(rf"(?m)^(  reg (?:\[\d+:\d+\] )?({_IDENTIFIER})(?:\s*\[\d+:\d+\])?)( = [^;]*;|;)", declaration, text)


def open_state(verilog: str) -> str:
    """The same Verilog whose registers and memories the bench can change."""
    return _MODULE.sub(_open_module, verilog)


def list_state(verilog: str) -> tuple[Simulator, list[State]]:
    """A simulator of a core whose state is open, and that state in the order of its numbers.

    Raises
    ------
    SimError
        The simulator fails.
    """
    simulator = build_simulator(open_state(verilog), main="faults")
    run = subprocess.run([str(simulator.executable), "--list"], capture_output=True, text=True, check=False)
    if run.returncode:
        raise SimError(f"the simulator of faults failed: {run.stderr.strip()}")
    states = []
    for line in run.stdout.splitlines():
        path, bits, words = line.rsplit(" ", 2)
        states.append(State(path, int(bits), int(words)))
    return simulator, states
