"""A cell library as the flow uses it, in fixed units: ns, fF, um2 (or the library's own unit of area), nW, fJ, V."""

from dataclasses import dataclass, field
from functools import cached_property

from quiesce.sim.gates.errors import LibertyError
from quiesce.sim.gates.liberty.boolean import Expression
from quiesce.sim.gates.liberty.lut import Lut

__all__ = ["Arc", "Cell", "ClockGate", "FlipFlop", "Library", "Pin", "PowerGroup", "WireLoad"]

_WIRE_SHARE = 0.4
"""Capacitance of a wire for each pin that it drives, of an inverter's pin: where a library has no wire loads."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Arc:
    """Timing from one pin to the pin that holds it.

    Parameters
    ----------
    related : str
    sense : str
        ``positive_unate``, ``negative_unate`` or ``non_unate``.
    kind : str
        Liberty's ``timing_type``; "combinational" by default.
    tables : dict of str to Lut
        Of ``cell_rise``, ``cell_fall``, ``rise_transition``, ``fall_transition``, ``rise_constraint``, ``fall_constraint``; ns.
    """

    related: str
    sense: str
    kind: str
    tables: dict[str, Lut]


@dataclass(frozen=True, kw_only=True, slots=True)
class PowerGroup:
    """Energy inside the cell, fJ, for a change of the pin that holds it (caused by ``related``, if given)."""

    related: tuple[str, ...]
    when: Expression | None
    rise: Lut | None
    fall: Lut | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """A pin; capacitance in fF."""

    name: str
    direction: str
    capacitance: float
    clock: bool
    function: Expression | None
    arcs: tuple[Arc, ...]
    power: tuple[PowerGroup, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class FlipFlop:
    """State ``state`` (its complement ``complement``) becomes ``next_state`` when ``clocked_on`` rises."""

    state: str
    complement: str
    clocked_on: Expression
    next_state: Expression
    asynchronous: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ClockGate:
    """A clock gate whose latch is open while the clock is low: pins of clock, enable, gated clock and test enables."""

    clock: str
    enable: str
    output: str
    tests: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell; leakage in nW."""

    name: str
    area: float
    leakage_nw: float
    pins: dict[str, Pin]
    flip_flop: FlipFlop | None = None
    clock_gate: ClockGate | None = None
    usable: bool = True
    """Not marked ``dont_use``, and simulated from the functions of its outputs: no latch, no asynchronous reset."""

    @cached_property
    def inputs(self) -> tuple[Pin, ...]:
        return tuple(pin for pin in self.pins.values() if pin.direction == "input")

    @cached_property
    def outputs(self) -> tuple[Pin, ...]:
        return tuple(pin for pin in self.pins.values() if pin.direction == "output")

    @property
    def sequential(self) -> bool:
        return self.flip_flop is not None or self.clock_gate is not None

    def computes(self, n_inputs: int, truth: str) -> bool:
        """Whether it is a gate of one output with this truth table, its inputs in any order of their names."""
        if self.sequential or not self.usable or len(self.inputs) != n_inputs or len(self.outputs) != 1:
            return False
        function, names = self.outputs[0].function, sorted(pin.name for pin in self.inputs)
        if function is None or function.variables() != set(names):
            return False
        rows = ({name: bool(row >> i & 1) for i, name in enumerate(names)} for row in range(1 << n_inputs))
        return "".join("01"[function.evaluate(row)] for row in rows) == truth


@dataclass(frozen=True, kw_only=True)
class WireLoad:
    """Capacitance of a net by the number of its sinks.

    Parameters
    ----------
    name : str
    capacitance : float
        fF for each unit of length.
    lengths : dict of int to float
        By number of sinks; further ones add ``slope`` each.
    slope : float
    """

    name: str
    capacitance: float
    lengths: dict[int, float]
    slope: float

    def at(self, sinks: int) -> float:
        """fF of a net with so many sinks."""
        if sinks <= 0:
            return 0.0
        known = sorted(self.lengths)
        if sinks in self.lengths:
            length = self.lengths[sinks]
        elif sinks > known[-1]:
            length = self.lengths[known[-1]] + (sinks - known[-1]) * self.slope
        else:
            above = next(n for n in known if n > sinks)
            below = max((n for n in known if n < sinks), default=0)
            low = self.lengths.get(below, 0.0)
            length = low + (self.lengths[above] - low) * (sinks - below) / (above - below)
        return length * self.capacitance


@dataclass(frozen=True, kw_only=True)
class Library:
    """All cells of a file.

    Parameters
    ----------
    name : str
    voltage : float
    cells : dict of str to Cell
    wire_load : WireLoad or None
        The library's default.
    source : str
        The file.
    digest : str
        SHA-256 of its content.
    """

    name: str
    voltage: float
    cells: dict[str, Cell]
    source: str
    digest: str
    wire_load: WireLoad | None = None
    _wires: dict[int, float] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def inverter(self) -> Cell:
        """The smallest inverter."""
        return min((cell for cell in self.cells.values() if cell.computes(1, "10")), key=lambda cell: cell.area)

    @cached_property
    def slew(self) -> float:
        """A typical slew, ns: the middle of the inverter's tables."""
        arcs = self.inverter.outputs[0].arcs
        return arcs[0].tables["cell_rise"].middle_slew if arcs else 0.0

    @cached_property
    def clock_gate(self) -> Cell | None:
        """The smallest clock gate."""
        gates = [cell for cell in self.cells.values() if cell.clock_gate and cell.usable]
        return min(gates, key=lambda cell: (len(cell.clock_gate.tests) if cell.clock_gate else 0, cell.area), default=None)

    @property
    def wire_rule(self) -> str:
        """How wires are estimated, for reports."""
        if self.wire_load:
            return f"the library's wire load {self.wire_load.name}"
        return f"{_WIRE_SHARE} of an inverter's input pin for each pin driven (the library has no wire loads)"

    def wire(self, sinks: int) -> float:
        """fF of a wire that drives so many pins."""
        if sinks not in self._wires:
            pin = self.inverter.inputs[0].capacitance
            self._wires[sinks] = self.wire_load.at(sinks) if self.wire_load else _WIRE_SHARE * pin * sinks
        return self._wires[sinks]

    def check(self) -> None:
        """See that a netlist can be mapped.

        Raises
        ------
        LibertyError
            A kind of cell is missing; the message names all that are.
        """
        cells = [cell for cell in self.cells.values() if cell.usable]
        missing = []
        if not any(cell.computes(1, "10") for cell in cells):
            missing.append("an inverter")
        if not any(cell.computes(2, truth) for cell in cells for truth in ("1110", "1000", "0001", "0111")):
            missing.append("an AND, OR, NAND or NOR of two inputs")
        if not any(cell.flip_flop for cell in cells):
            missing.append("a flip-flop")
        if missing:
            raise LibertyError(f"{self.source}: library {self.name} lacks {', '.join(missing)}")
