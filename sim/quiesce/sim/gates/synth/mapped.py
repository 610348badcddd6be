"""What a netlist that is mapped to a library has to be."""

from quiesce.sim.errors import NetlistError
from quiesce.sim.gates.liberty.library import Library
from quiesce.sim.netlist import Bit, Instance, Netlist

__all__ = ["check_mapped"]


def check_mapped(netlist: Netlist, library: Library, rams: set[str]) -> None:
    """See that everything is a module, a RAM or a usable cell of the library, and that no net has two drivers.

    Raises
    ------
    NetlistError
        The message names the module and the instance.
    """
    for module in netlist.modules.values():
        driven: set[Bit] = set(module.inputs)
        for instance in module.instances:
            where = f"module {module.name}, {instance.name}"
            for pin in _outputs(netlist, instance, library, rams, where):
                for bit in instance.pins.get(pin, ()):
                    if bit in driven:
                        label = module.labels.get(bit, str(bit)) if isinstance(bit, int) else bit
                        raise NetlistError(f"{where}: a second driver of net {label}")
                    driven.add(bit)


def _outputs(netlist: Netlist, instance: Instance, library: Library, rams: set[str], where: str) -> list[str]:
    if instance.kind in netlist.modules:
        ports = netlist.modules[instance.kind].ports
        return [name for name, port in ports.items() if port.direction == "output"]
    if instance.kind in rams:
        return ["RD_DATA"]
    cell = library.cells.get(instance.kind)
    if cell is None or not cell.usable:
        raise NetlistError(f"{where}: {instance.kind} is no cell of library {library.name} that can be used")
    return [pin.name for pin in cell.outputs]
