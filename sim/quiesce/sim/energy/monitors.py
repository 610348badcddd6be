"""Verilog in which the simulator can count activity: the nets to count made public, and a net for each clock that could be gated.

What is counted of a module:

- **nets**: each named net once, under one of its names, in the module that drives it; other names of it, what instances drive and
  the clock are left out. The inputs of the top belong to the top.
- **loads**: a group of registers that keep their values but under a common condition gets a net that is one in cycles in which
  they load. Named ``load:<flip-flops>:<register>``, or ``load_reset:...`` if they are reset, too;
- **shared gates**: where a module has several such groups, a net that is one in cycles in which any of them loads. Named
  ``any_load:<groups>:``.

Counted nets are the only ones that are traced, so that activity files hold the same.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from quiesce.sim.energy.module_nets import ModuleNets, module_nets
from quiesce.sim.netlist import Bits, Netlist

__all__ = ["CLOCK", "MIN_GATED", "MIN_SHARED", "Clocks", "clocks", "instrument"]

CLOCK = "clk"
MIN_GATED = 4
"""Fewer flip-flops than this are not worth a clock gate of their own."""
MIN_SHARED = 3
"""Fewer clock gates of a module than this are not worth one in front of them."""

_IDENTIFIER = r"\\\S+ |[A-Za-z_$][\w$]*"
_MODULE = re.compile(rf"(?ms)^module ({_IDENTIFIER}).*?^endmodule")
_DECLARATION = re.compile(rf"(?m)^  (wire|reg|input|output) (\[\d+:\d+\] )?({_IDENTIFIER})( = [^;]*)?;$")
_REGISTER = re.compile(rf"(?m)^  always @\(posedge {CLOCK}\)\n    ({_IDENTIFIER}) *<= ({_IDENTIFIER}) *;$")
_PROCESS = re.compile(rf"(?ms)^  always @\* begin\n    if \([^\n]*\) begin end\n    ({_IDENTIFIER}) *= ([^;]*);\n(.*?)^  end$")
_INSTANCE = re.compile(rf"(?ms)^  (?:{_IDENTIFIER})\s*(?:{_IDENTIFIER}) ?\($.*?^  \);$")
_RESET = re.compile(r"(?m)^    if \((?:rst|reset)\) begin$")
_PUBLIC = "/*verilator public_flat_rd*/"
_TRACED = "/*verilator tracing_on*/ {} /*verilator tracing_off*/"


def _name(identifier: str) -> str:
    return identifier.strip().removeprefix("\\")


def _escaped(name: str) -> str:
    return f"\\{name} "


@dataclass(frozen=True)
class Clocks:
    """What a module's clock drives.

    Attributes
    ----------
    flip_flops : int
        All of them.
    gated, gated_reset : int
        Of these, those in groups with a load net, without and with reset.
    gates, gates_reset : int
        Such groups, each with a clock gate.
    word_bits, word_gates : int
        Words of small memories: flip-flops, too; see ``ModuleNets``.
    """

    flip_flops: int
    gated: int = 0
    gated_reset: int = 0
    gates: int = 0
    gates_reset: int = 0
    word_bits: int = 0
    word_gates: int = 0

    @property
    def free_flip_flops(self) -> int:
        """Those in no group: the clock always reaches them."""
        return self.flip_flops - self.gated - self.gated_reset

    @property
    def shared(self) -> int:
        """Clock gates behind one that is open when one of them is."""
        gates = self.gates + self.gates_reset
        return gates if gates >= MIN_SHARED else 0

    @property
    def root_gates(self) -> int:
        """Clock gates that the clock always reaches."""
        return self.word_gates + (1 if self.shared else self.gates + self.gates_reset)


@dataclass(frozen=True)
class _Group:
    """Registers that load together: one that names the group, what its process computes, and all their flip-flops."""

    register: str
    process: str
    flip_flops: int
    reset: bool

    @property
    def net(self) -> str:
        return f"load{'_reset' if self.reset else ''}:{self.flip_flops}:{self.register}"


def _groups(text: str, module: ModuleNets) -> list[_Group]:
    """Registers whose next value is, by default, the present one, by what their loading depends on."""
    registers = {_name(after): _name(before) for before, after in _REGISTER.findall(text)}
    alike: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for target, default, body in _PROCESS.findall(text):
        register = registers.get(_name(target))
        if register is None or not _same(module, default, register):
            continue
        alike[_condition(body, _name(target), module, register)].append((register, target))
    groups = []
    for body, members in alike.items():
        flip_flops = sum(len(module.names[register]) for register, _ in members)
        if flip_flops >= MIN_GATED:
            groups.append(_Group(members[0][0], _name(members[0][1]), flip_flops, bool(_RESET.search(body))))
    return groups


def _condition(body: str, target: str, module: ModuleNets, register: str) -> str:
    """What a process makes a register load by: equal texts are equal conditions."""
    return _assignments(target).sub(lambda at: f"= {_same(module, at[3], register)}", body)


def _same(module: ModuleNets, expression: str, register: str) -> bool:
    """Whether an expression is nothing but another name of a register."""
    return module.names.get(_name(expression)) == module.names[register]


def _assignments(target: str) -> re.Pattern[str]:
    """Assignments to a variable in a process: the statement's target, its bits if they are some only, and the value."""
    written = re.escape(target)
    return re.compile(rf"(?m)(?<=^)( *(?:\\{written} |{written}(?![\w$])) ?(\[[^\]]*\])?) *= ([^;]*);$")


def _with_load(process: re.Match[str], group: _Group, module: ModuleNets) -> str:
    """A process that computes the group's load net, too."""
    net = _escaped(group.net)

    def assign(at: re.Match[str]) -> str:
        holds = at[2] is None and _same(module, at[3], group.register)
        return f"begin {at[0].strip()} {net}= 1'h{int(not holds)}; end"

    body = _assignments(group.process).sub(assign, process[3])
    head = process[0][: process.start(3) - process.start()]
    return f"{head}    {net}= 1'h0;\n{body}  end"


def _chosen(names: dict[str, str], module: ModuleNets, own: set[int]) -> Iterator[tuple[str, list[int]]]:
    """Names that cover the nets ``own``, each net once: a name and the positions of its bits to count."""
    left = set(own)

    def order(name: str) -> tuple[int, bool, int, str]:
        bits = module.names[name]
        return -len(own.intersection(bits)), names[name] != "reg", len(bits), name

    for name in sorted(names, key=order):
        bits = module.names[name]
        # A net may be several bits of a name: that of the sign, for one.
        positions = [position for position, bit in enumerate(bits) if bit in left and bits.index(bit) == position]
        if positions:
            left.difference_update(bits)
            yield name, positions


def _whole(bits: Bits, positions: list[int]) -> bool:
    """Whether all bits but constants are counted."""
    return len(positions) == sum(isinstance(bit, int) for bit in bits)


def _instrument_module(text: str, module: ModuleNets, is_top: bool) -> str:
    # Of a port's two declarations the second says what it is.
    declared = {_name(found[3]): found[1] for found in _DECLARATION.finditer(text) if _name(found[3]) in module.names}
    clock = set(module.names.get(CLOCK, ()))
    own = set(module.driven | (module.inputs if is_top else frozenset())) - clock
    public: set[str] = set()
    added = []
    for name, positions in _chosen(declared, module, own):
        bits = module.names[name]
        if _whole(bits, positions):
            public.add(name)
            continue
        parts = ", ".join(f"{_escaped(name)}[{position}]" for position in reversed(positions))
        added.append(f"wire [{len(positions) - 1}:0] {_escaped(f'own:{name}')}{_PUBLIC} = {{ {parts} }};")
    groups = {group.process: group for group in _groups(text, module)}
    loads = [f"reg {_escaped(group.net)}{_PUBLIC};" for group in groups.values()]
    if len(groups) >= MIN_SHARED:
        any_load = " | ".join(_escaped(group.net) for group in groups.values())
        loads.append(f"wire {_escaped(f'any_load:{len(groups)}:')}{_PUBLIC} = {any_load};")

    def declare(found: re.Match[str]) -> str:
        if _name(found[3]) not in public:
            return found[0]
        kind, range_, identifier, value = found.groups(default="")
        public_ = _PUBLIC if kind in ("wire", "reg") else ""
        return "  " + _TRACED.format(f"{kind} {range_}{identifier} {public_}{value};")

    def process(found: re.Match[str]) -> str:
        group = groups.get(_name(found[1]))
        return _with_load(found, group, module) if group else found[0]

    head, body = text.split(";\n", 1)  # the list of ports
    body = _PROCESS.sub(process, _DECLARATION.sub(declare, body)).removesuffix("endmodule")
    body = _INSTANCE.sub(lambda found: _TRACED.format(found[0]), body)  # within an instance that is not, nothing is traced
    nets = "".join(f"  {line}\n" for line in [*loads, *map(_TRACED.format, added)])
    return f"{head};\n  /*verilator tracing_off*/\n{body}{nets}endmodule"


def instrument(verilog: str, netlist: Netlist) -> str:
    """The same design with its activity open to the simulator.

    Parameters
    ----------
    verilog : str
        As Yosys writes it.
    netlist : Netlist
        Of the same design, with the same names.
    """

    def module(found: re.Match[str]) -> str:
        name = _name(found[1])
        return _instrument_module(found[0], module_nets(netlist.modules[name], netlist), name == netlist.top)

    return _MODULE.sub(module, verilog)


def clocks(verilog: str, netlist: Netlist) -> dict[str, Clocks]:
    """Flip-flops and possible clock gates by instance path relative to the top ("" itself), those of instances not included."""
    texts = {_name(found[1]): found[0] for found in _MODULE.finditer(verilog)}
    of_module = {}
    for name in netlist.modules:
        module = module_nets(netlist.modules[name], netlist)
        groups = _groups(texts[name], module)
        with_reset = [group.flip_flops for group in groups if group.reset]
        without = [group.flip_flops for group in groups if not group.reset]
        of_module[name] = Clocks(
            flip_flops=module.flip_flops, gated=sum(without), gated_reset=sum(with_reset), gates=len(without),
            gates_reset=len(with_reset), word_bits=module.word_bits, word_gates=module.word_gates,
        )  # fmt: skip
    return {path: of_module[module.name] for path, module in netlist.walk()}
