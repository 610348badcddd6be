"""Verilog of a netlist for simulation: the cells' functions as expressions, a scalar wire for each net.

Scalars, because bits of one vector that depend on each other through other modules look like loops to a simulator. Only what
cells and RAMs drive is traced; names are short, and ``SimulationText`` tells which net each belongs to.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from quiesce.sim.gates.library import Cell, Library
from quiesce.sim.gates.netlist import Bit, Instance, Module, Netlist

__all__ = ["SimulationText", "simulation_text"]


@dataclass(frozen=True)
class SimulationText:
    """Attributes
    ----------
    verilog : str
        Module ``quiesce`` with the ports of the design, whose names have to be plain ones, and those below it; without the RAMs'
        models.
    scopes : dict of str to tuple of str
        Instance names below ``quiesce`` for each path of the netlist.
    ports : dict of str to dict of str to tuple of str
        Names of a module's port bits, by module and port.
    """

    verilog: str
    scopes: dict[str, tuple[str, ...]]
    ports: dict[str, dict[str, tuple[str, ...]]]


def _net(bit: Bit) -> str:
    return f"n{bit}" if isinstance(bit, int) else f"1'b{1 if bit == '1' else 0}"


def _concat(bits: list[str]) -> str:
    return f"{{{', '.join(reversed(bits))}}}" if len(bits) > 1 else bits[0]


class _ModuleText:
    def __init__(self, module: Module, netlist: Netlist, library: Library, names: Mapping[str, str]) -> None:
        self._module, self._netlist, self._library, self._names = module, netlist, library, names
        self.inputs: dict[str, tuple[str, ...]] = {}
        self.outputs: dict[str, tuple[str, ...]] = {}
        self._aliases: list[str] = []
        self._number_ports()

    def _number_ports(self) -> None:
        """Inputs have the names of their nets, unless another has it already; outputs have names of their own."""
        taken: set[str] = set()
        for port in self._module.ports.values():
            names = []
            for bit in port.bits:
                name = _net(bit)
                if port.direction != "input" or not isinstance(bit, int) or name in taken:
                    name = f"p{len(taken)}"
                    if port.direction != "input":
                        self._aliases.append(f"assign {name} = {_net(bit)};")
                taken.add(name)
                names.append(name)
            (self.inputs if port.direction == "input" else self.outputs)[port.name] = tuple(names)

    def text(self, ports: "Mapping[str, _ModuleText]", instances: Mapping[str, str]) -> Iterator[str]:
        inputs = [name for names in self.inputs.values() for name in names]
        outputs = [name for names in self.outputs.values() for name in names]
        declared = [f"input wire {name}" for name in inputs] + [f"output wire {name}" for name in outputs]
        yield f"module {self._names[self._module.name]} (\n/*verilator tracing_off*/\n{', '.join(declared)}\n);"
        yield "/*verilator no_inline_module*/"
        untraced, traced, body = self._body(ports, instances)
        known = set(inputs)
        yield from (f"wire {name};" for name in sorted(untraced - traced - known))
        yield "/*verilator tracing_on*/"
        yield from (f"logic {name};" for name in sorted(traced - known))
        yield from self._aliases
        yield from body
        yield "endmodule\n"

    def _body(self, ports: "Mapping[str, _ModuleText]", instances: Mapping[str, str]) -> tuple[set[str], set[str], list[str]]:
        """Names of nets that instances of modules drive, of those that cells and RAMs drive, and the statements."""
        untraced: set[str] = set()
        traced: set[str] = set()
        body: list[str] = []
        for index, instance in enumerate(self._module.instances):
            if instance.kind in self._netlist.modules:
                body.append(self._submodule(instance, ports[instance.kind], instances[instance.name], untraced))
            elif instance.kind in self._library.cells:
                body += self._cell(instance, self._library.cells[instance.kind], index, traced)
            else:
                body.append(self._ram(instance, index, traced))
        return untraced, traced, body

    def _submodule(self, instance: Instance, inner: "_ModuleText", name: str, untraced: set[str]) -> str:
        pins = []
        for port, names in (*inner.inputs.items(), *inner.outputs.items()):
            for pin, bit in zip(names, instance.pins.get(port, ()), strict=False):
                if port in inner.outputs:
                    if isinstance(bit, int):
                        untraced.add(_net(bit))
                    else:
                        continue
                pins.append(f".{pin}({_net(bit)})")
        return f"{self._names[instance.kind]} {name} ({', '.join(pins)});"

    def _cell(self, instance: Instance, cell: Cell, index: int, traced: set[str]) -> Iterator[str]:
        nets = {pin: _net(bits[0]) for pin, bits in instance.pins.items() if bits}
        outputs = {pin.name: nets[pin.name] for pin in cell.outputs if nets.get(pin.name, "").startswith("n")}
        traced |= set(outputs.values())
        inputs = {pin.name: nets.get(pin.name, "1'b0") for pin in cell.inputs}
        if cell.clock_gate:
            gate = cell.clock_gate
            enable = " | ".join(inputs[pin] for pin in (gate.enable, *gate.tests))
            yield f"/*verilator tracing_off*/ logic l{index} = 0; /*verilator tracing_on*/"
            yield f"always @(negedge {self._root_clock(inputs[gate.clock])}) l{index} <= {enable};"
            yield from (f"assign {net} = {inputs[gate.clock]} & l{index};" for net in outputs.values())
        elif cell.flip_flop:
            register = cell.flip_flop
            (clock,) = register.clocked_on.variables()
            edge = "negedge" if register.clocked_on.operands else "posedge"
            state = f"s{index}"
            yield f"/*verilator tracing_off*/ logic {state} = 0; /*verilator tracing_on*/"
            following = register.next_state.verilog(inputs | {register.state: state, register.complement: f"(~{state})"})
            yield f"always @({edge} {inputs[clock]}) {state} <= {following};"
            seen = inputs | {register.state: state, register.complement: f"(~{state})"}
            for pin, net in outputs.items():
                function = cell.pins[pin].function
                assert function is not None  # the cell is usable
                yield f"assign {net} = {function.verilog(seen)};"
        else:
            for pin, net in outputs.items():
                function = cell.pins[pin].function
                assert function is not None
                yield f"assign {net} = {function.verilog(inputs)};"

    def _root_clock(self, clock: str) -> str:
        """The clock in front of all gates of this module: while it is low, latches are open, whatever gates let through."""
        while clock in self._gated:
            clock = self._gated[clock]
        return clock

    @cached_property
    def _gated(self) -> dict[str, str]:
        """The clock of each gate of this module, by its output."""
        found = {}
        for instance in self._module.instances:
            cell = self._library.cells.get(instance.kind)
            if cell is not None and cell.clock_gate is not None:
                pins = cell.clock_gate
                found[_net(instance.pins[pins.output][0])] = _net(instance.pins[pins.clock][0])
        return found

    def _ram(self, instance: Instance, index: int, traced: set[str]) -> str:
        traced |= {_net(bit) for bit in instance.pins.get("RD_DATA", ()) if isinstance(bit, int)}
        pins = [f".{pin}({_concat([_net(bit) for bit in bits])})" for pin, bits in instance.pins.items() if bits]
        return f"{instance.kind} r{index} ({', '.join(pins)});"


def _top(module: Module, text: _ModuleText, kind: str) -> Iterator[str]:
    """Around the design: its ports as vectors."""
    declared, pins = [], []
    for port in module.ports.values():
        declared.append(f"{port.direction} wire [{len(port.bits) - 1}:0] {port.name}")
        names = text.inputs.get(port.name) or text.outputs[port.name]
        pins += [f".{name}({port.name}[{index}])" for index, name in enumerate(names)]
    yield f"module quiesce (\n/*verilator tracing_off*/\n{', '.join(declared)}\n);"
    yield f"/*verilator tracing_on*/\n{kind} d ({', '.join(pins)});\nendmodule\n"


def simulation_text(netlist: Netlist, library: Library) -> SimulationText:
    """Write the netlist; every module once."""
    names = {name: f"M{index}" for index, name in enumerate(netlist.modules)}
    texts = {name: _ModuleText(module, netlist, library, names) for name, module in netlist.modules.items()}
    instances = {
        name: {instance.name: f"i{index}" for index, instance in enumerate(module.instances) if instance.kind in netlist.modules}
        for name, module in netlist.modules.items()
    }
    lines = list(_top(netlist.modules[netlist.top], texts[netlist.top], names[netlist.top]))
    for name in netlist.copies:
        lines += texts[name].text(texts, instances[name])
    scopes: dict[str, tuple[str, ...]] = {"": ("d",)}
    for path, module in netlist.walk():
        for instance, short in instances[module.name].items():
            scopes[f"{path}/{instance}" if path else instance] = (*scopes[path], short)
    ports = {name: {**text.inputs, **text.outputs} for name, text in texts.items()}
    return SimulationText("\n".join(lines), scopes, ports)
