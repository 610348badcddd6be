"""Large memories of a design in Yosys become black boxes."""

from typing import Any

from pyosys import libyosys as ys

from quiesce.sim.gates.errors import SynthesisError
from quiesce.sim.gates.synth.black_boxes import RamKind

__all__ = ["MAX_REGISTER_BITS", "extract_rams", "identifier", "in_order", "memory_cells", "number"]

MAX_REGISTER_BITS = 1 << 16
"""No design is built with more bits than this in a memory that is no RAM: it would be flip-flops."""

_DROPPED = ("RD_CLK", "WR_CLK")


def identifier(name: str) -> Any:
    """Yosys's form of a name: of the design, unless it begins with ``$``."""
    return ys.IdString(name if name.startswith(("$", "\\")) else f"\\{name}")


def number(cell: Any, name: str) -> int:
    """A parameter of a cell."""
    return int(cell.getParam(identifier(name)).as_int())


def in_order(objects: Any) -> list[Any]:
    """Values of a dictionary of Yosys in the order in which Yosys passes through them and writes them: the last one first."""
    return list(objects.values())[::-1]


def memory_cells(design: Any) -> list[Any]:
    """The memories of a design."""
    cells = [cell for module in in_order(design.modules_) for cell in in_order(module.cells_)]
    return [cell for cell in cells if cell.type.str() == "$mem_v2"]


def _ports(cell: Any) -> list[tuple[str, int]]:
    """(name, width) of the black box of a memory."""
    names = ("RD_EN", "RD_ARST", "RD_SRST", "RD_ADDR", "RD_DATA", "WR_EN", "WR_ADDR", "WR_DATA")
    return [("CLK", 1), *((name, cell.getPort(identifier(name)).size()) for name in names)]


def _add_box(design: Any, name: str, ports: list[tuple[str, int]]) -> None:
    box = design.addModule(identifier(name))
    box.set_bool_attribute(identifier("blackbox"))
    for index, (port, width) in enumerate(ports, 1):
        wire = box.addWire(identifier(port), width)
        wire.port_id, wire.port_input, wire.port_output = index, port != "RD_DATA", port == "RD_DATA"
    box.fixup_ports()


def _is_ram(cell: Any, min_bits: int) -> bool:
    """One read and one write port on one clock, and large enough.

    Raises
    ------
    SynthesisError
        It is none, and too large for flip-flops.
    """
    clocks = [cell.getPort(identifier(name)) for name in _DROPPED]
    clocked = cell.getParam(identifier("RD_CLK_ENABLE")).is_fully_ones() and clocks[0] == clocks[1]
    single = number(cell, "RD_PORTS") == number(cell, "WR_PORTS") == 1
    depth, width = number(cell, "SIZE"), number(cell, "WIDTH")
    if clocked and single and depth * width >= min_bits:
        return True
    if depth * width > MAX_REGISTER_BITS:
        where = f"{cell.module.name.str().removeprefix(chr(92))}, memory {cell.name.str().removeprefix(chr(92))}"
        raise SynthesisError(
            f"{where}: {depth} words of {width} bits are read without a clock or by several ports, which makes them flip-flops; "
            f"at most {MAX_REGISTER_BITS} bits can be"
        )
    return False


def extract_rams(design: Any, min_bits: int) -> list[RamKind]:
    """Replace memories with one read and one write port on one clock and at least ``min_bits`` bits by black boxes.

    Parameters
    ----------
    design : pyosys.libyosys.Design
        Its memories are ``$mem_v2`` cells.

    Returns
    -------
    list of RamKind
        Memories with the same parameters are one.

    Raises
    ------
    SynthesisError
        A memory that is no RAM is too large for flip-flops.
    """
    kinds: dict[tuple[tuple[str, str], ...], RamKind] = {}
    for cell in memory_cells(design):
        if not _is_ram(cell, min_bits):
            continue
        parameters = {name.str(): value.as_string() for name, value in cell.parameters.items()}
        key = tuple(sorted((name, value) for name, value in parameters.items() if name != "\\MEMID"))
        if key not in kinds:
            depth, width = number(cell, "SIZE"), number(cell, "WIDTH")
            kinds[key] = RamKind(f"ram_{len(kinds)}_{depth}x{width}", depth, width, "1" in parameters["\\RD_TRANSPARENCY_MASK"])
            _add_box(design, kinds[key].name, _ports(cell))
        clock = cell.getPort(identifier("RD_CLK"))
        cell.type = identifier(kinds[key].name)
        for name in parameters:
            cell.unsetParam(ys.IdString(name))
        for name in _DROPPED:
            cell.unsetPort(identifier(name))
        cell.setPort(identifier("CLK"), clock)
    return list(kinds.values())
