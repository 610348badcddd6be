"""Memories of a design in RTLIL: large ones become black boxes."""

import re
from dataclasses import dataclass

from quiesce.sim.gates.errors import SynthesisError
from quiesce.sim.gates.synth.rtlil import PARAMETER, cells_of
from quiesce.sim.netlist import MIN_RAM_BITS

__all__ = ["MAX_REGISTER_BITS", "MEMORY", "RamKind", "extract_rams"]

MAX_REGISTER_BITS = 1 << 16
"""No design is built with more bits than this in a memory that is no RAM: it would be flip-flops."""

MEMORY = cells_of("$mem_v2")
"""A memory in RTLIL."""

_CLOCK = re.compile(r"(?m)^    connect \\(?:RD|WR)_CLK \{?([^}\n]*)\}?\n")
_MODULE = re.compile(r"(?m)^module (\S+)$")
_PREFIX = "ram_"


@dataclass(frozen=True)
class RamKind:
    """A kind of black box.

    Parameters
    ----------
    name : str
        Of the module; its ports are those of Yosys's ``$mem_v2``: ``RD_EN``, ``RD_ADDR``, ``RD_DATA`` and so on, but one ``CLK``.
    depth, width : int
    transparent : bool
        A read sees what is written to its word in the same cycle.
    """

    name: str
    depth: int
    width: int
    transparent: bool

    @property
    def bits(self) -> int:
        return self.depth * self.width


def _ports(parameters: dict[str, str]) -> list[tuple[str, int, str]]:
    """(name, width, direction) of a memory cell."""
    reads, writes, address, width = (int(parameters[name]) for name in ("RD_PORTS", "WR_PORTS", "ABITS", "WIDTH"))
    return [
        ("CLK", 1, "input"), ("RD_EN", reads, "input"), ("RD_ARST", reads, "input"), ("RD_SRST", reads, "input"),
        ("RD_ADDR", reads * address, "input"), ("RD_DATA", reads * width, "output"),
        ("WR_EN", writes * width, "input"), ("WR_ADDR", writes * address, "input"), ("WR_DATA", writes * width, "input"),
    ]  # fmt: skip


def _box(ram: RamKind, parameters: dict[str, str]) -> str:
    ports = enumerate(_ports(parameters), 1)
    wires = [f"  wire width {width} {direction} {at} \\{name}" for at, (name, width, direction) in ports]
    return "\n".join(["attribute \\blackbox 1", f"module \\{ram.name}", *wires, "end"]) + "\n"


def extract_rams(rtlil: str, min_bits: int = MIN_RAM_BITS) -> tuple[str, list[RamKind]]:
    """Replace the large memories of a design by instances of black boxes.

    A memory is a RAM if it has one read and one write port on one clock and at least ``min_bits`` bits.

    Parameters
    ----------
    rtlil : str
        A design whose memories are ``$mem_v2`` cells.

    Returns
    -------
    design : str
        RTLIL with the black boxes.
    rams : list of RamKind
        Memories with the same parameters are one.

    Raises
    ------
    SynthesisError
        A memory that is read without a clock is too large for flip-flops.
    """
    kinds: dict[tuple[tuple[str, str], ...], RamKind] = {}
    boxes = []
    module_at = [(found.start(), found[1]) for found in _MODULE.finditer(rtlil)]

    def replace(found: re.Match[str]) -> str:
        parameters = dict(PARAMETER.findall(found[2]))
        depth, width = int(parameters["SIZE"]), int(parameters["WIDTH"])
        clocks = {clock for value in _CLOCK.findall(found[2]) for clock in value.split()}
        clocked = len(clocks) == 1 and "0" not in parameters["RD_CLK_ENABLE"].partition("'")[2]
        single = parameters["RD_PORTS"] == parameters["WR_PORTS"] == "1"
        if not clocked or not single or depth * width < min_bits:
            if depth * width > MAX_REGISTER_BITS:
                module = max((entry for entry in module_at if entry[0] < found.start()), default=(0, "?"))[1]
                where = f"{module.removeprefix(chr(92))}, memory {found[1].removeprefix(chr(92))}"
                raise SynthesisError(
                    f"{where}: {depth} words of {width} bits are read without a clock or by several ports, which makes them "
                    f"flip-flops; at most {MAX_REGISTER_BITS} bits can be"
                )
            return found[0]
        key = tuple(sorted((name, value) for name, value in parameters.items() if name != "MEMID"))
        if key not in kinds:
            name = f"{_PREFIX}{len(kinds)}_{depth}x{width}"
            kinds[key] = ram = RamKind(name, depth, width, "1" in parameters["RD_TRANSPARENCY_MASK"].partition("'")[2])
            boxes.append(_box(ram, parameters))
        body = "".join(line + "\n" for line in _CLOCK.sub("", found[2]).splitlines() if line.startswith("    connect"))
        body += f"    connect \\CLK {min(clocks)}\n"
        return f"  cell \\{kinds[key].name} {found[1]}\n{body}  end\n"

    design = MEMORY.sub(replace, rtlil)
    return design + "".join(boxes), list(kinds.values())
