"""A netlist without its hierarchy: every cell with its nets, for timing and power."""

from dataclasses import dataclass
from functools import cached_property

from quiesce.sim.errors import NetlistError
from quiesce.sim.gates.analysis.fanout import BufferTree, buffer_tree, choose_buffer
from quiesce.sim.gates.liberty.library import Cell, Library
from quiesce.sim.gates.synth.black_boxes import RamKind
from quiesce.sim.netlist import Bit, Module, Netlist

__all__ = ["Flat", "FlatCell", "FlatRam", "flatten", "is_clock"]

_CONSTANT: dict[Bit, int] = {"0": 0, "1": 1, "x": 0, "z": 0}


@dataclass(frozen=True, slots=True)
class FlatCell:
    """A cell of the library.

    Parameters
    ----------
    path : str
        Of the module instance that holds it.
    module : str
    name : str
        In the module.
    cell : Cell
    nets : dict of str to int
        By pin; 0 and 1 are the constants.
    """

    path: str
    module: str
    name: str
    cell: Cell
    nets: dict[str, int]


@dataclass(frozen=True, slots=True)
class FlatRam:
    """A black box with the nets of each of its ports."""

    path: str
    name: str
    ram: RamKind
    pins: dict[str, tuple[int, ...]]

    @property
    def inputs(self) -> frozenset[int]:
        """Each net once, the clock left out."""
        return frozenset(net for pin, nets in self.pins.items() if pin not in ("CLK", "RD_DATA") for net in nets)

    @property
    def outputs(self) -> tuple[int, ...]:
        return self.pins.get("RD_DATA", ())

    @property
    def clock(self) -> int:
        return self.pins["CLK"][0]


@dataclass(frozen=True)
class Flat:
    """The whole design.

    Attributes
    ----------
    cells, rams : list
    inputs, outputs : dict of str to tuple of int
        Nets of the top's ports.
    names : dict of int to str
        A path for each net.
    """

    library: Library
    cells: list[FlatCell]
    rams: list[FlatRam]
    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]
    names: dict[int, str]

    @cached_property
    def _sinks(self) -> dict[int, tuple[int, float]]:
        """Pins that each net drives, and their capacitance, fF. A RAM's pin counts as an inverter's."""
        found: dict[int, tuple[int, float]] = {}
        for cell in self.cells:
            for pin in cell.cell.inputs:
                net = cell.nets.get(pin.name, 0)
                count, load = found.get(net, (0, 0.0))
                found[net] = count + 1, load + pin.capacitance
        like = self.library.inverter.inputs[0].capacitance
        for ram in self.rams:
            for net in (*ram.inputs, ram.clock):
                count, load = found.get(net, (0, 0.0))
                found[net] = count + 1, load + like
        return found

    @cached_property
    def clocks(self) -> frozenset[int]:
        """Nets at the clock pins of registers, clock gates and RAMs."""
        pins = {cell.name: [pin.name for pin in cell.inputs if is_clock(cell, pin.name)] for cell in self.library.cells.values()}
        nets = {cell.nets[pin] for cell in self.cells if cell.cell.sequential for pin in pins[cell.cell.name] if pin in cell.nets}
        return frozenset(nets | {ram.clock for ram in self.rams})

    @cached_property
    def trees(self) -> dict[int, BufferTree]:
        """Estimated buffers behind nets of many sinks; clocks have a tree of their own kind, which is not here."""
        buffer = choose_buffer(self.library)
        if buffer is None:
            return {}
        trees = {net: buffer_tree(self.library, buffer, *entry) for net, entry in self._sinks.items()}
        return {net: tree for net, tree in trees.items() if tree and net > 1 and net not in self.clocks}

    @cached_property
    def loads(self) -> dict[int, float]:
        """fF at the driver of each net: pins and wire, or those up to the first buffers."""
        loads = {net: pins + self.library.wire(count) for net, (count, pins) in self._sinks.items()}
        return loads | {net: tree.driver_load for net, tree in self.trees.items()}


def is_clock(cell: Cell, pin: str) -> bool:
    """Whether the pin of a sequential cell is its clock."""
    if cell.clock_gate:
        return pin == cell.clock_gate.clock
    return cell.flip_flop is not None and pin in cell.flip_flop.clocked_on.variables()


class _Flattener:
    def __init__(self, netlist: Netlist, library: Library, rams: dict[str, RamKind]) -> None:
        self._netlist, self._library, self._rams = netlist, library, rams
        self._parent = [0, 1]
        self._names = {0: "0", 1: "1"}
        self._cells: list[tuple[str, str, str, Cell, dict[str, int]]] = []
        self._ram_cells: list[tuple[str, str, RamKind, dict[str, list[int]]]] = []

    def _find(self, net: int) -> int:
        parent = self._parent
        while parent[net] != net:
            parent[net] = parent[parent[net]]
            net = parent[net]
        return net

    def _join(self, a: int, b: int) -> None:
        """Two names of one net; the lower number stays, so that a constant does."""
        low, high = sorted((self._find(a), self._find(b)))
        self._parent[high] = low

    def _instance(self, path: str, module: Module, outside: dict[str, list[int]]) -> dict[Bit, int]:
        """Nets of a module instance, given those at its ports."""
        nets = dict(_CONSTANT)
        for name, port in module.ports.items():
            for bit, net in zip(port.bits, outside[name], strict=True):
                if bit in nets:
                    self._join(nets[bit], net)
                else:
                    nets[bit] = net
        return nets

    def _net(self, nets: dict[Bit, int], bit: Bit, path: str, module: Module) -> int:
        if bit not in nets:
            nets[bit] = len(self._parent)
            self._parent.append(nets[bit])
            name = module.labels.get(bit, f"_{bit}_") if isinstance(bit, int) else bit
            self._names[nets[bit]] = f"{path}/{name}" if path else name
        return nets[bit]

    def run(self) -> Flat:
        top = self._netlist.modules[self._netlist.top]
        ports: dict[str, list[int]] = {}
        for name, port in top.ports.items():
            ports[name] = []
            for index, _ in enumerate(port.bits):
                ports[name].append(len(self._parent))
                self._names[len(self._parent)] = f"{name}[{index}]" if len(port.bits) > 1 else name
                self._parent.append(len(self._parent))
        stack = [("", top, ports)]
        while stack:
            path, module, outside = stack.pop()
            nets = self._instance(path, module, outside)
            for instance in module.instances:
                pins = {pin: [self._net(nets, bit, path, module) for bit in bits] for pin, bits in instance.pins.items()}
                if instance.kind in self._netlist.modules:
                    inner = self._netlist.modules[instance.kind]
                    for name, port in inner.ports.items():
                        if name not in pins:  # nothing is connected
                            new = [f"{instance.name}.{name}.{index}" for index in range(len(port.bits))]
                            pins[name] = [self._net(nets, bit, path, module) for bit in new]
                    stack.append((f"{path}/{instance.name}" if path else instance.name, inner, pins))
                elif instance.kind in self._rams:
                    self._ram_cells.append((path, instance.name, self._rams[instance.kind], pins))
                elif instance.kind in self._library.cells:
                    single = {pin: bits[0] for pin, bits in pins.items() if bits}
                    self._cells.append((path, module.name, instance.name, self._library.cells[instance.kind], single))
                else:
                    raise NetlistError(f"module {module.name}, {instance.name}: {instance.kind} is unknown")
        find = self._find
        cells = [
            FlatCell(path, module, name, cell, {pin: find(net) for pin, net in pins.items()})
            for path, module, name, cell, pins in self._cells
        ]
        rams = [
            FlatRam(path, name, ram, {pin: tuple(find(net) for net in nets) for pin, nets in pins.items()})
            for path, name, ram, pins in self._ram_cells
        ]
        found = {name: tuple(find(net) for net in bits) for name, bits in ports.items()}
        directions = {name: port.direction for name, port in top.ports.items()}
        return Flat(
            self._library, cells, rams,
            {name: bits for name, bits in found.items() if directions[name] == "input"},
            {name: bits for name, bits in found.items() if directions[name] == "output"},
            {net: name for net, name in self._names.items() if find(net) == net},
        )  # fmt: skip


def flatten(netlist: Netlist, library: Library, rams: dict[str, RamKind]) -> Flat:
    """Dissolve the hierarchy.

    Raises
    ------
    NetlistError
        An instance of something unknown.
    """
    return _Flattener(netlist, library, rams).run()
