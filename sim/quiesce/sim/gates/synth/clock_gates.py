"""Clock gates in front of clock gates: while a memory is not written, or nothing in a module loads, one clock pin moves."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from functools import partial

from quiesce.sim.gates.liberty.library import Cell
from quiesce.sim.gates.synth.black_boxes import MEMORY
from quiesce.sim.gates.synth.rtlil import PARAMETER, PORT, cells_of

__all__ = ["gate_memories", "gate_modules"]

_MODULE = re.compile(r"(?ms)^module \S+\n(.*?)^end$")
_MEMORY_GATE = "memory_clock"


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
    names = (f"{_MEMORY_GATE}{index}" for index in range(len(rtlil)))

    def add(found: re.Match[str]) -> str:
        parameters, ports = dict(PARAMETER.findall(found[2])), dict(PORT.findall(found[2]))
        clocks = set(ports["WR_CLK"].strip("{ }").split())
        writes = int(parameters["WR_PORTS"])
        rising = _ones(parameters["WR_CLK_ENABLE"]) and _ones(parameters["WR_CLK_POLARITY"])
        if len(clocks) != 1 or not rising or "1" in parameters["RD_CLK_ENABLE"].partition("'")[2]:
            return found[0]
        name = next(names)
        gated = f"{{ {' '.join([f'${name}'] * writes)} }}"
        body = _connected(found[2], "WR_CLK", gated)
        width = writes * int(parameters["WIDTH"])
        return "".join(_gate(name, gate, clocks.pop(), ports["WR_EN"], width)) + f"  cell $mem_v2 {found[1]}\n{body}  end\n"

    return MEMORY.sub(add, rtlil)


def gate_modules(rtlil: str, gate: Cell, fewest: int) -> str:
    """Clock the instances of ``gate`` of a module by another one, which is open when one of them is.

    Those of a memory have their own clock, see ``gate_memories``; that one's gate stays as it is.

    Parameters
    ----------
    rtlil : str
        A design whose registers have their clock gates.
    gate : Cell
    fewest : int
        Modules with fewer of them stay as they are.
    """
    pins = gate.clock_gate
    assert pins is not None
    cell = cells_of(f"\\{gate.name}")

    def module(found: re.Match[str]) -> str:
        alike: dict[str, list[str]] = defaultdict(list)
        ports = {name: dict(PORT.findall(body)) for name, body in cell.findall(found[0])}
        made = {one[pins.output] for one in ports.values()}
        for name, one in ports.items():
            if one[pins.clock] not in made and not name.startswith(f"$gate${_MEMORY_GATE}"):
                alike[one[pins.clock]].append(name)
        body = found[1]
        for index, (clock, behind) in enumerate((clock, names) for clock, names in alike.items() if len(names) >= fewest):
            name = f"module_clock{index}"
            enables = dict.fromkeys(ports[one][pins.enable] for one in behind)
            # Wires come before the cells at them.
            wires, *cells = _gate(name, gate, clock, f"{{ {' '.join(enables)} }}", len(enables))
            moved = cell.sub(partial(_moved, names=behind, port=pins.clock, net=f"${name}"), body)
            body = f"{wires}{moved}{''.join(cells)}"
        return found[0].replace(found[1], body)

    return _MODULE.sub(module, rtlil)


def _moved(cell: re.Match[str], names: Collection[str], port: str, net: str) -> str:
    """The cell's text, with another net at a port if the cell is one of ``names``."""
    return _connected(cell[0], port, net) if cell[1] in names else cell[0]


def _connected(cell: str, port: str, net: str) -> str:
    """A cell's text with another net at a port."""
    return re.sub(rf"(?m)^    connect \\{port} .*$", lambda _: f"    connect \\{port} {net}", cell)


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
