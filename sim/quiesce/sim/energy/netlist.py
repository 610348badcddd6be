"""A core's netlist as Yosys writes it in JSON: what drives each net, and the flip-flops."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from quiesce.sim.errors import EnergyError

__all__ = ["RAM_BITS", "Bits", "Module", "Netlist", "read_netlist"]

Bits = tuple[int | str, ...]
"""Nets by number, least significant first; constants are the texts "0", "1", "x" and "z". Equal numbers are one net."""


RAM_BITS = 1024
"""The smallest memory that is worth a RAM."""


@dataclass(frozen=True)
class Module:
    """One module, each net of which has a number.

    Attributes
    ----------
    names : dict of str to tuple
        Nets of each name; several names may be of one net.
    driven : frozenset of int
        Nets that logic, registers and memories of this module drive; those of its instances belong to them.
    inputs : frozenset of int
    flip_flops : int
        Memories and their output registers are not flip-flops.
    word_bits : int
        Of small memories, whose words are registers in gates: those that are read without a clock or below ``RAM_BITS``.
    word_gates : int
        Their clock gates that the clock always reaches: one for a memory, in front of those of its words, or, if it is read at a
        clock, one for each word.
    instances : dict of str to str
        Module of each instance.
    """

    names: Mapping[str, Bits]
    driven: frozenset[int]
    inputs: frozenset[int]
    flip_flops: int
    word_bits: int
    word_gates: int
    instances: Mapping[str, str]


@dataclass(frozen=True)
class Netlist:
    """Modules by name, and the one on top."""

    modules: Mapping[str, Module]
    top: str

    def paths(self) -> Iterator[tuple[str, str]]:
        """Instance path ("" is the top, levels separated by "/") and module of each instance, parents first."""
        open_ = [("", self.top)]
        while open_:
            path, name = open_.pop()
            yield path, name
            prefix = f"{path}/" if path else ""
            open_ += [(prefix + instance, module) for instance, module in self.modules[name].instances.items()]


def _nets(bits: list[int | str]) -> set[int]:
    return {bit for bit in bits if isinstance(bit, int)}


def _module(data: dict[str, Any], known: Mapping[str, Any]) -> Module:
    driven: set[int] = set()
    flip_flops = 0
    clocked: set[str] = set()
    unclocked: set[str] = set()
    instances: dict[str, str] = {}
    for name, cell in data["cells"].items():
        if cell["type"] in known:
            instances[name.removeprefix("\\")] = cell["type"]
            continue
        for port, direction in cell["port_directions"].items():
            if direction == "output":
                driven |= _nets(cell["connections"][port])
        if "dff" in cell["type"]:
            flip_flops += len(cell["connections"]["Q"])
        if cell["type"].startswith("$memrd"):
            reads = clocked if "1" in cell["parameters"]["CLK_ENABLE"] else unclocked
            reads.add(cell["parameters"]["MEMID"].removeprefix("\\"))
    memories = {name.removeprefix("\\"): (memory["size"], memory["width"]) for name, memory in data.get("memories", {}).items()}
    small = {name: memory for name, memory in memories.items() if name in unclocked or memory[0] * memory[1] < RAM_BITS}
    return Module(
        # A backslash tells a name of the design that begins with "$" from those that Yosys makes up.
        names={name.removeprefix("\\"): tuple(net["bits"]) for name, net in data["netnames"].items()},
        driven=frozenset(driven),
        inputs=frozenset().union(*(_nets(port["bits"]) for port in data["ports"].values() if port["direction"] == "input")),
        flip_flops=flip_flops,
        word_bits=sum(size * width for size, width in small.values()),
        word_gates=sum(size if name in clocked else 1 for name, (size, _) in small.items()),
        instances=instances,
    )


def read_netlist(text: str, top: str) -> Netlist:
    """Read what ``write_json`` wrote.

    Raises
    ------
    EnergyError
        Not such a text, or without a module ``top``.
    """
    try:
        modules = json.loads(text)["modules"]
        netlist = Netlist({name: _module(module, modules) for name, module in modules.items()}, top)
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise EnergyError(f"the netlist is not as Yosys writes it: {error!r}") from error
    if top not in netlist.modules:
        raise EnergyError(f"the netlist holds no module {top!r}")
    return netlist
