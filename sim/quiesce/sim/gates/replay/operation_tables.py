"""A flat netlist as the tables that the simulator in ``replay.cpp`` works through."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from quiesce.sim.errors import NetlistError
from quiesce.sim.gates.analysis.flat import Flat, FlatCell, FlatRam, is_clock
from quiesce.sim.gates.analysis.topology import ordered_logic
from quiesce.sim.gates.liberty.boolean import Expression

__all__ = ["Table", "Tables", "make_tables"]

Table = npt.NDArray[np.int32]

# What replay.cpp makes of two operands: bit 0 their and, bit 1 their exclusive or, bit 2 the inverse.
_PLAIN = {"&": 1, "^": 2, "|": 3}
_INVERTED = {"&": 5, "^": 6, "|": 7}
_BUFFER, _NOT = 1, 5


@dataclass(frozen=True)
class Tables:
    """Attributes
    ----------
    n_nets : int
        Those of the netlist and those between operations.
    operations : ndarray
        int32, (n, 4): kind, two operands, result; in the order of evaluation.
    registers : ndarray
        int32, (n, 3): data, output, enable.
    rams : list of FlatRam
    counters : ndarray
        int32, (n, 2): a net, and whether the cycles in which it is one are counted instead of its changes.
    driven : dict of int to int
        Index of the counter for each net that a cell or RAM drives. That of a gated clock counts its cycles.
    """

    n_nets: int
    operations: Table
    registers: Table
    rams: list[FlatRam]
    counters: Table
    driven: dict[int, int]


@dataclass
class _TableBuilder:
    flat: Flat
    n_nets: int
    operations: list[tuple[int, int, int, int]] = field(default_factory=list)
    enables: dict[int, int] = field(default_factory=dict)
    """Net whose value lets a clock through, by net of the clock."""
    states: dict[tuple[str, str], int] = field(default_factory=dict)
    """Nets of states that no output shows as they are, by path and name of the cell."""

    def new(self) -> int:
        self.n_nets += 1
        return self.n_nets - 1

    def emit(self, kind: int, a: int, b: int, out: int | None = None) -> int:
        out = self.new() if out is None else out
        self.operations.append((kind, a, b, out))
        return out

    def expression(self, expression: Expression, nets: dict[str, int], out: int | None = None) -> int:
        """Operations for an expression; the net of its value, ``out`` if given."""
        if not expression.operands:
            net = int(expression.operator) if expression.operator in "01" else nets[expression.operator]
            return net if out is None else self.emit(_BUFFER, net, net, out)
        if expression.operator == "!":
            inner = expression.operands[0]
            if inner.operator in _INVERTED:
                a, b = (self.expression(operand, nets) for operand in inner.operands)
                return self.emit(_INVERTED[inner.operator], a, b, out)
            net = self.expression(inner, nets)
            return self.emit(_NOT, net, net, out)
        a, b = (self.expression(operand, nets) for operand in expression.operands)
        return self.emit(_PLAIN[expression.operator], a, b, out)

    def register_functions(self, cell: FlatCell) -> None:
        """Outputs of a flip-flop from its state, which is the net of one of them."""
        register = cell.cell.flip_flop
        assert register is not None
        state = self.state(cell)
        inverse = None
        for pin in cell.cell.outputs:
            net = cell.nets.get(pin.name)
            if net is None or net == state:
                continue
            if inverse is None:
                inverse = self.emit(_NOT, state, state)
            assert pin.function is not None
            self.expression(pin.function, {register.state: state, register.complement: inverse}, net)

    def state(self, cell: FlatCell) -> int:
        """The net of an output that is the state itself, else a net of its own."""
        register = cell.cell.flip_flop
        assert register is not None
        for pin in cell.cell.outputs:
            if pin.name in cell.nets and pin.function and pin.function.operator == register.state:
                return cell.nets[pin.name]
        key = cell.path, cell.name
        if key not in self.states:
            self.states[key] = self.new()
        return self.states[key]

    def clock_enable(self, net: int, gates: dict[int, FlatCell], root: int) -> int:
        """Net that is one in the cycles in which a clock runs; 1 for the root."""
        if net == root:
            return 1
        if net not in self.enables:
            cell = gates.get(net)
            gate = cell.cell.clock_gate if cell else None
            if cell is None or gate is None:
                raise NetlistError(f"{self.flat.names.get(net, net)}: a clock that is neither the input clk nor gated from it")
            enable = cell.nets[gate.enable]
            for pin in gate.tests:
                if cell.nets.get(pin, 0) != 0:
                    enable = self.emit(_PLAIN["|"], enable, cell.nets[pin])
            outer = self.clock_enable(cell.nets[gate.clock], gates, root)
            self.enables[net] = enable if outer == 1 else self.emit(_PLAIN["&"], enable, outer)
        return self.enables[net]

    def data(self, cell: FlatCell) -> int:
        register = cell.cell.flip_flop
        assert register is not None
        if register.clocked_on.operands:
            raise NetlistError(f"{cell.path or 'top'}: {cell.name}: {cell.cell.name} is clocked on the falling edge")
        nets = {pin.name: cell.nets.get(pin.name, 0) for pin in cell.cell.inputs}
        return self.expression(register.next_state, nets | {register.state: self.state(cell)})


def make_tables(flat: Flat, clock: str = "clk") -> Tables:
    """Order the logic and find what clocks the registers.

    Raises
    ------
    NetlistError
        A net without a driver, a combinational loop, or a clock that is not derived from the input.
    """
    if clock not in flat.inputs:
        raise NetlistError(f"the design has no input {clock!r}")
    (root,) = flat.inputs[clock]
    builder = _TableBuilder(flat, max(flat.names, default=1) + 1)
    registers = [cell for cell in flat.cells if cell.cell.flip_flop]
    gates = {cell.nets[cell.cell.clock_gate.output]: cell for cell in flat.cells if cell.cell.clock_gate}
    for cell in registers:
        builder.register_functions(cell)
    for cell in ordered_logic(flat):
        nets = {pin.name: cell.nets.get(pin.name, 0) for pin in cell.cell.inputs}
        for pin in cell.cell.outputs:
            if pin.name in cell.nets and pin.function:
                builder.expression(pin.function, nets, cell.nets[pin.name])
    rows = []
    for cell in registers:
        clocked = next(pin.name for pin in cell.cell.inputs if is_clock(cell.cell, pin.name))
        rows.append((builder.data(cell), builder.state(cell), builder.clock_enable(cell.nets[clocked], gates, root)))
    for ram in flat.rams:
        if ram.clock != root:
            raise NetlistError(f"{ram.path}/{ram.name}: a RAM whose clock is not the input {clock}")
    counters: dict[int, tuple[int, int]] = {}
    for cell in flat.cells:
        for pin in cell.cell.outputs:
            net = cell.nets.get(pin.name, 0)
            if net > 1:
                counters[net] = (builder.clock_enable(net, gates, root), 1) if cell.cell.clock_gate else (net, 0)
    counters |= {net: (net, 0) for ram in flat.rams for net in ram.outputs if net > 1}
    return Tables(
        builder.n_nets,
        np.array(builder.operations, np.int32).reshape(-1, 4),
        np.array(rows, np.int32).reshape(-1, 3),
        flat.rams,
        np.array(list(counters.values()), np.int32).reshape(-1, 2),
        {net: index for index, net in enumerate(counters)},
    )
