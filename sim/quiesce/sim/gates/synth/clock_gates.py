"""Clock gates in front of clock gates: while a memory is not written, or nothing in a module loads, one clock pin moves."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pyosys import libyosys as ys

from quiesce.sim.gates.synth.ram_extraction import identifier, in_order, memory_cells, number

__all__ = ["GateCell", "gate_memories", "gate_modules"]

_MEMORY_GATE = "memory_clock"


@dataclass(frozen=True, kw_only=True)
class GateCell:
    """A clock gate of a library, and its pins; see ``liberty.library.ClockGate``."""

    cell: str
    clock: str
    enable: str
    output: str
    tests: tuple[str, ...]


def _add_gate(module: Any, name: str, gate: GateCell, clock: Any, enables: Any) -> Any:
    """A gate that is open when one of ``enables`` is; the net of its clock."""
    gated, any_enabled = module.addWire(ys.IdString(f"${name}"), 1), module.addWire(ys.IdString(f"$any${name}"), 1)
    module.addReduceOr(ys.IdString(f"$or${name}"), enables, ys.SigSpec(any_enabled), False)
    cell = module.addCell(ys.IdString(f"$gate${name}"), identifier(gate.cell))
    pins = {gate.clock: clock, gate.enable: ys.SigSpec(any_enabled), gate.output: ys.SigSpec(gated)}
    for pin, net in (pins | {test: ys.SigSpec(ys.State.S0) for test in gate.tests}).items():
        cell.setPort(identifier(pin), net)
    return ys.SigSpec(gated)


def gate_memories(design: Any, gate: GateCell) -> None:
    """Clock the words of memories that become flip-flops by a gate that is open when some word may be written.

    Words get gates of their own behind it when registers with an enable do. Memories that are read at a clock keep theirs, since
    what a read sees of a write depends on both having one clock.

    Parameters
    ----------
    design : pyosys.libyosys.Design
        Its memories are ``$mem_v2`` cells; those that stay memories are no such cells any more.
    """
    index = 0
    for cell in memory_cells(design):
        clocks = cell.getPort(identifier("WR_CLK"))
        rising = all(cell.getParam(identifier(f"WR_CLK_{name}")).is_fully_ones() for name in ("ENABLE", "POLARITY"))
        reads_clocked = "1" in cell.getParam(identifier("RD_CLK_ENABLE")).as_string()
        if len(set(clocks.bits())) != 1 or not rising or reads_clocked:
            continue
        clock = _add_gate(cell.module, f"{_MEMORY_GATE}{index}", gate, clocks.extract(0, 1), cell.getPort(identifier("WR_EN")))
        cell.setPort(identifier("WR_CLK"), clock.repeat(number(cell, "WR_PORTS")))
        index += 1


def _concat(signals: Iterable[Any]) -> Any:
    """The first of them in the highest bits."""
    whole = ys.SigSpec()
    for signal in reversed(list(signals)):
        whole.append(signal)
    return whole


def gate_modules(design: Any, gate: GateCell, fewest: int) -> None:
    """Clock the gates of a module by another one, which is open when one of them is.

    Those of a memory have their own clock, see ``gate_memories``; that one's gate stays as it is.

    Parameters
    ----------
    design : pyosys.libyosys.Design
        Its registers have their clock gates.
    fewest : int
        Modules with fewer of them stay as they are.
    """
    clock_pin, enable_pin, output_pin = map(identifier, (gate.clock, gate.enable, gate.output))
    for module in in_order(design.modules_):
        gates = [cell for cell in in_order(module.cells_) if cell.type == identifier(gate.cell)]
        made = {cell.getPort(output_pin) for cell in gates}
        alike: dict[Any, list[Any]] = defaultdict(list)
        for cell in gates:
            clock = cell.getPort(clock_pin)
            if clock not in made and not cell.name.str().startswith(f"$gate${_MEMORY_GATE}"):
                alike[clock].append(cell)
        shared = [(clock, cells) for clock, cells in alike.items() if len(cells) >= fewest]
        for index, (clock, cells) in enumerate(shared):
            enables = _concat(dict.fromkeys(cell.getPort(enable_pin) for cell in cells))
            gated = _add_gate(module, f"module_clock{index}", gate, clock, enables)
            for cell in cells:
                cell.setPort(clock_pin, gated)
