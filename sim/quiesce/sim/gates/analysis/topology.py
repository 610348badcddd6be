"""Order of evaluation of a flat netlist's logic."""

from collections import deque
from collections.abc import Iterable

from quiesce.sim.errors import NetlistError
from quiesce.sim.gates.analysis.flat import Flat, FlatCell

__all__ = ["ordered_logic"]


def _sources(flat: Flat) -> set[int]:
    """Nets that hold their value through a cycle: constants, inputs, registers, clocks and what RAMs return."""
    nets = {0, 1}
    nets.update(net for bits in flat.inputs.values() for net in bits)
    nets.update(net for ram in flat.rams for net in ram.outputs)
    for cell in flat.cells:
        if cell.cell.sequential:
            nets.update(cell.nets[pin.name] for pin in cell.cell.outputs if pin.name in cell.nets)
    return nets


def ordered_logic(flat: Flat) -> list[FlatCell]:
    """All cells but registers and clock gates, each behind those that drive it.

    Raises
    ------
    NetlistError
        A net without a driver, or a combinational loop.
    """
    cells = [cell for cell in flat.cells if not cell.cell.sequential]
    known = _sources(flat)
    users: dict[int, list[int]] = {}
    waiting = []
    for index, cell in enumerate(cells):
        nets = {cell.nets[pin.name] for pin in cell.cell.inputs if pin.name in cell.nets} - known
        for net in nets:
            users.setdefault(net, []).append(index)
        waiting.append(len(nets))
    ready = deque(index for index, count in enumerate(waiting) if count == 0)
    order = []
    while ready:
        cell = cells[ready.popleft()]
        order.append(cell)
        for pin in cell.cell.outputs:
            for user in users.get(cell.nets.get(pin.name, 0), ()):
                waiting[user] -= 1
                if waiting[user] == 0:
                    ready.append(user)
    if len(order) < len(cells):
        stuck = (cell for cell, count in zip(cells, waiting, strict=True) if count)
        driven = {cell.nets[pin.name] for cell in cells for pin in cell.cell.outputs if pin.name in cell.nets}
        raise _explanation(flat, stuck, driven)
    return order


def _explanation(flat: Flat, stuck: Iterable[FlatCell], driven: set[int]) -> NetlistError:
    known = _sources(flat) | driven
    first = None
    for cell in stuck:
        first = first or cell
        for pin in cell.cell.inputs:
            net = cell.nets.get(pin.name, 0)
            if net not in known:
                name = flat.names.get(net, net)
                return NetlistError(f"{cell.path or 'top'}: {cell.name}: nothing drives {name}")
    assert first is not None  # called with at least one
    return NetlistError(f"a combinational loop through {first.path or 'top'}: {first.name} ({first.cell.name})")
