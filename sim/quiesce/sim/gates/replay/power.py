"""Energy of a netlist from what its nets did: by module, in logic, clocks and leakage.

    E = sum over nets of changes x (internal energy of the driver and of the driven pins + 1/2 C V^2 of pins and wire)
      + sum over registers and clock gates of clock cycles x (internal energy of the clock pin + C V^2 of pin and wire)
      + clock tree + leakage x time

Internal energies are those of the library's tables at the net's load and a typical slew, the mean of rise and fall, of all
inputs that can cause the change, and of all states (``when``); at clock pins of flip-flops states in which the output changes
count for the edges at which it did. Nets of many sinks end in trees of buffers (see ``analysis.fanout``), and so do clocks. RAMs
are not included.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from quiesce.sim.gates.analysis.fanout import buffer_tree, choose_buffer
from quiesce.sim.gates.analysis.flat import Flat, FlatCell, is_clock
from quiesce.sim.gates.liberty.library import Cell, Library, Pin, PowerGroup
from quiesce.sim.gates.replay.replay import NetlistActivity

__all__ = ["PARTS", "PowerModel"]

PARTS = ("logic", "clock", "leakage")


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else 0.0


def _groups_energy(groups: Iterable[PowerGroup], slew: float, load: float, edges: tuple[str, ...] = ("rise", "fall")) -> float:
    """fJ for one change: the mean over groups, and over the edges."""
    found = list(groups)
    return _mean(
        _mean(table.at(slew, load) for group in found if (table := getattr(group, edge)) is not None) for edge in edges
    )  # fmt: skip


def _changing(cell: Cell, group: PowerGroup) -> bool | None:
    """Whether the group holds only while the output is about to change, only while it is not; None if neither or both."""
    register = cell.flip_flop
    if register is None or group.when is None or len(register.next_state.variables()) != 1:
        return None
    (data,) = register.next_state.variables()
    outputs = {pin.name: pin.function for pin in cell.outputs if pin.function}
    others = sorted(group.when.variables() - {data} - outputs.keys())
    found = set()
    for state, value, *rest in product((False, True), repeat=2 + len(others)):
        shown = {register.state: state, register.complement: not state}
        pins = {name: function.evaluate(shown) for name, function in outputs.items()}
        known = pins | {data: value} | dict(zip(others, rest, strict=True))
        if group.when.evaluate(known):
            found.add(register.next_state.evaluate(known) != state)
    return found.pop() if len(found) == 1 else None


@dataclass(frozen=True)
class _ClockPin:
    """fJ of a clock pin: for a whole cycle, and what a change of the output adds."""

    cycle: float
    change: float


def _clock_pin(library: Library, cell: Cell, pin: Pin) -> _ClockPin:
    slew = library.slew
    steady = [group for group in pin.power if _changing(cell, group) is not True]
    changing = [group for group in pin.power if _changing(cell, group) is not False]
    rise, fall = _groups_energy(steady, slew, 0.0, ("rise",)), _groups_energy(pin.power, slew, 0.0, ("fall",))
    change = _groups_energy(changing, slew, 0.0, ("rise",)) - rise if changing and cell.flip_flop else 0.0
    return _ClockPin(rise + fall + pin.capacitance * library.voltage**2, change)


class PowerModel:
    """Weights of every counter of a netlist's activity, and energy of every cycle, by module path.

    Parameters
    ----------
    flat : Flat
    activity : NetlistActivity
        Whose counters the weights are for; its counts are not looked at.
    glitches : float
        Factor on the energy of logic, for changes within a cycle that a simulation without delays does not see.
    clock_trees : bool
        With wires and buffers of the clocks.
    """

    def __init__(self, flat: Flat, activity: NetlistActivity, glitches: float = 1.0, clock_trees: bool = True) -> None:
        self._flat, self._library, self._driven, self._glitches = flat, flat.library, activity.driven, glitches
        self.paths = sorted({cell.path for cell in flat.cells})
        self._index = {path: index for index, path in enumerate(self.paths)}
        self._rows: list[int] = []
        self._groups: list[int] = []
        self._weights: list[float] = []
        self._per_cycle = np.zeros(2 * len(self.paths))
        self.leakage_nw = np.zeros(len(self.paths))
        self._half_v2 = self._library.voltage**2 / 2
        self._pins: dict[tuple[str, str], _ClockPin] = {}
        (self._root,) = flat.inputs["clk"]
        for cell in flat.cells:
            self._add_cell(cell)
        if clock_trees:
            self._add_clock_trees()

    def _add(self, net: int, path: str, part: int, femtojoules: float) -> None:
        """Energy for each count of a net."""
        row = self._driven.get(net)
        if row is not None and femtojoules:
            self._rows.append(row)
            self._groups.append(2 * self._index[path] + part)
            self._weights.append(femtojoules)

    def _add_cell(self, cell: FlatCell) -> None:
        self.leakage_nw[self._index[cell.path]] += cell.cell.leakage_nw
        for pin in cell.cell.outputs:
            self._add_output(cell, pin)
        for pin in cell.cell.inputs:
            net = cell.nets.get(pin.name, 0)
            if is_clock(cell.cell, pin.name):
                self._add_clock_pin(cell, pin, net)
            elif pin.power:
                internal = _groups_energy(pin.power, self._library.slew, 0.0)
                self._add(net, cell.path, 0, internal)

    def _add_output(self, cell: FlatCell, pin: Pin) -> None:
        net = cell.nets.get(pin.name)
        load = self._flat.loads.get(net, 0.0) if net is not None else 0.0
        internal = _groups_energy(pin.power, self._library.slew, load)
        if net is None:
            # An output that nothing is connected to changes with the register's other one.
            net = next((cell.nets[other.name] for other in cell.cell.outputs if other.name in cell.nets), 0)
            if cell.cell.flip_flop:
                self._add(net, cell.path, 0, internal)
            return
        if cell.cell.clock_gate:
            # Counted in cycles: two changes each. The capacitance of the registers' pins is counted there.
            self._add(net, cell.path, 1, 2 * internal)
            return
        tree = self._flat.trees.get(net)
        switched = tree.total_load if tree else load
        energy = internal + self._half_v2 * switched
        if tree:
            output = tree.cell.outputs[0]
            energy += tree.buffers * _groups_energy(output.power, self._library.slew, _mean(tree.stage_loads))
        self._add(net, cell.path, 0, energy * (1.0 if cell.cell.sequential else self._glitches))

    def _add_clock_pin(self, cell: FlatCell, pin: Pin, net: int) -> None:
        key = cell.cell.name, pin.name
        if key not in self._pins:
            self._pins[key] = _clock_pin(self._library, cell.cell, pin)
        energy = self._pins[key]
        if net == self._root:
            self._per_cycle[2 * self._index[cell.path] + 1] += energy.cycle
        else:
            self._add(net, cell.path, 1, energy.cycle)
        if cell.cell.flip_flop:
            output = next((cell.nets[pin.name] for pin in cell.cell.outputs if pin.name in cell.nets), 0)
            self._add(output, cell.path, 1, energy.change)

    def _add_clock_trees(self) -> None:
        """Wires and buffers of every clock net, shared out evenly to the cells at it."""
        sinks: dict[int, list[FlatCell]] = {}
        for cell in self._flat.cells:
            for pin in cell.cell.inputs:
                if is_clock(cell.cell, pin.name):
                    sinks.setdefault(cell.nets[pin.name], []).append(cell)
        buffer = choose_buffer(self._library)
        for net, cells in sinks.items():
            pins = sum(pin.capacitance for cell in cells for pin in cell.cell.inputs if is_clock(cell.cell, pin.name))
            tree = buffer_tree(self._library, buffer, len(cells), pins) if buffer else None
            extra = 2 * self._half_v2 * ((tree.total_load - pins) if tree else self._library.wire(len(cells)))
            if tree:
                output = tree.cell.outputs[0]
                extra += 2 * tree.buffers * _groups_energy(output.power, self._library.slew, _mean(tree.stage_loads))
            for cell in cells:
                if net == self._root:
                    self._per_cycle[2 * self._index[cell.path] + 1] += extra / len(cells)
                else:
                    self._add(net, cell.path, 1, extra / len(cells))

    def energy(self, activity: NetlistActivity, period_ns: float) -> npt.NDArray[np.float64]:
        """pJ of each module path (see ``paths``), part (see ``PARTS``) and run: (paths, 3, runs)."""
        rows, groups, weights = np.array(self._rows), np.array(self._groups), np.array(self._weights)
        result = np.zeros((len(self.paths), 3, len(activity.cycles)))
        for run, cycles in enumerate(activity.cycles):
            counted = np.bincount(groups, weights * activity.counts[rows, run], minlength=len(self._per_cycle))
            dynamic = (counted + cycles * self._per_cycle).reshape(-1, 2) / 1000
            result[:, :2, run] = dynamic
            # nW x ns = 1e-18 J
            result[:, 2, run] = self.leakage_nw * cycles * period_ns * 1e-6
        return result
