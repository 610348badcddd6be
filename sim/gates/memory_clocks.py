"""One clock gate in front of those of all words of a small memory: while nothing is written, one clock pin moves."""

import re
from collections.abc import Iterator

from quiesce.sim.gates.library import Cell
from quiesce.sim.gates.ram import MEMORY, PARAMETER

__all__ = ["gate_memories"]

_PORT = re.compile(r"(?m)^    connect \\(\w+) (.*)$")


def _ones(bits: str) -> bool:
    return set(bits.partition("'")[2]) <= {"1"}


def gate_memories(rtlil: str, gate: Cell) -> str:
    """Clock the words of memories that become flip-flops by an instance of ``gate`` that is open when some word may be written.

    Words get gates of their own behind it when registers with an enable do. Memories that are read at a clock keep theirs, since
    what a read sees of a write depends on both having one clock.

    Parameters
    ----------
    rtlil : str
        A design whose memories are ``$mem_v2`` cells and those that stay memories are no such cells any more.
    gate : Cell
        A clock gate.
    """
    pins = gate.clock_gate
    assert pins is not None
    names = (f"memory_clock${index}" for index in range(len(rtlil)))

    def add(found: re.Match[str]) -> str:
        parameters, ports = dict(PARAMETER.findall(found[2])), dict(_PORT.findall(found[2]))
        clocks = set(ports["WR_CLK"].strip("{ }").split())
        writes = int(parameters["WR_PORTS"])
        rising = _ones(parameters["WR_CLK_ENABLE"]) and _ones(parameters["WR_CLK_POLARITY"])
        if len(clocks) != 1 or not rising or "1" in parameters["RD_CLK_ENABLE"].partition("'")[2]:
            return found[0]
        name = next(names)
        gated = f"{{ {' '.join([f'${name}'] * writes)} }}"
        body = "".join(
            f"    connect \\WR_CLK {gated}\n" if line.startswith("    connect \\WR_CLK ") else line
            for line in found[2].splitlines(keepends=True)
        )
        width = writes * int(parameters["WIDTH"])
        return "".join(_gate(name, gate, clocks.pop(), ports["WR_EN"], width)) + f"  cell $mem_v2 {found[1]}\n{body}  end\n"

    return MEMORY.sub(add, rtlil)


def _gate(name: str, gate: Cell, clock: str, enables: str, width: int) -> Iterator[str]:
    """Wires and cells of a gate that is open when one of ``enables`` is."""
    pins = gate.clock_gate
    assert pins is not None
    yield f"  wire ${name}\n  wire $any${name}\n"
    yield f"  cell $reduce_or $or${name}\n    parameter \\A_SIGNED 0\n    parameter \\A_WIDTH {width}\n"
    yield f"    parameter \\Y_WIDTH 1\n    connect \\A {enables}\n    connect \\Y $any${name}\n  end\n"
    yield f"  cell \\{gate.name} $gate${name}\n"
    connections = {pins.clock: clock, pins.enable: f"$any${name}", pins.output: f"${name}", **dict.fromkeys(pins.tests, "1'0")}
    yield "".join(f"    connect \\{pin} {net}\n" for pin, net in connections.items()) + "  end\n"
