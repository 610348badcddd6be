"""What energy needs to know of a module's netlist: which nets it drives, its flip-flops, its small memories."""

from collections.abc import Mapping
from dataclasses import dataclass

from quiesce.sim.netlist import MIN_RAM_BITS, Bits, Module, Netlist

__all__ = ["ModuleNets", "module_nets"]


@dataclass(frozen=True)
class ModuleNets:
    """One module, before it is mapped to cells.

    Attributes
    ----------
    names : dict of str to Bits
        Nets of each name as Verilog has it; several names may be of one net.
    driven : frozenset of int
        Nets that logic, registers and memories of this module drive; those of its instances belong to them.
    inputs : frozenset of int
    flip_flops : int
        Memories and their output registers are not flip-flops.
    word_bits : int
        Of small memories, whose words are registers in gates: those that are read without a clock or below ``MIN_RAM_BITS``.
    word_gates : int
        Their clock gates that the clock always reaches: one for a memory, in front of those of its words, or, if it is read at a
        clock, one for each word.
    """

    names: Mapping[str, Bits]
    driven: frozenset[int]
    inputs: frozenset[int]
    flip_flops: int
    word_bits: int
    word_gates: int


def module_nets(module: Module, netlist: Netlist) -> ModuleNets:
    """Of a module of Yosys's own cells, with its memories apart from their ports."""
    driven: set[int] = set()
    flip_flops = 0
    clocked: set[str] = set()
    unclocked: set[str] = set()
    for cell in module.instances:
        if cell.kind in netlist.modules:
            continue
        driven.update(bit for pin in cell.outputs for bit in cell.pins[pin] if isinstance(bit, int))
        if "dff" in cell.kind:
            flip_flops += len(cell.pins["Q"])
        if cell.kind.startswith("$memrd"):
            reads = clocked if "1" in str(cell.parameters["CLK_ENABLE"]) else unclocked
            reads.add(str(cell.parameters["MEMID"]).removeprefix("\\"))
    small = {
        name: memory for name, memory in module.memories.items() if name in unclocked or memory.bits < MIN_RAM_BITS
    }  # fmt: skip
    return ModuleNets(
        names={name.removeprefix("\\"): bits for name, bits in module.names.items()},
        driven=frozenset(driven),
        inputs=module.inputs,
        flip_flops=flip_flops,
        word_bits=sum(memory.bits for memory in small.values()),
        word_gates=sum(memory.size if name in clocked else 1 for name, memory in small.items()),
    )
