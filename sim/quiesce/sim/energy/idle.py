"""Power of a core that waits: its clocks run, nothing else happens."""

from collections.abc import Mapping
from dataclasses import dataclass

from quiesce.sim.energy.breakdown import clock_energy, leakage_energy
from quiesce.sim.energy.monitors import Clocks
from quiesce.sim.energy.table import EnergyTable

__all__ = ["IdlePower", "idle_power"]


@dataclass(frozen=True, kw_only=True)
class IdlePower:
    """mW, each with its share of the clock tree.

    Parameters
    ----------
    leakage_mw : float
    free_mw : dict of str to float
        Flip-flops whose clock has no gate, by class of module.
    gates_mw : dict of str to float
        Clock gates, by class of module.
    """

    leakage_mw: float
    free_mw: dict[str, float]
    gates_mw: dict[str, float]

    @property
    def total_mw(self) -> float:
        return self.leakage_mw + sum(self.free_mw.values()) + sum(self.gates_mw.values())


def idle_power(table: EnergyTable, clocks: Mapping[str, Clocks]) -> IdlePower:
    """Power at the table's clock.

    Parameters
    ----------
    clocks : dict
        By instance path.
    """
    free: dict[str, float] = {}
    gates: dict[str, float] = {}
    for path, module in clocks.items():
        class_ = table.module_class(path)
        ungated = Clocks(module.free_flip_flops)
        whole, own = (clock_energy(table, {path: one}, {}, 1) * table.clock_mhz / 1000 for one in (module, ungated))
        free[class_] = free.get(class_, 0.0) + own
        gates[class_] = gates.get(class_, 0.0) + whole - own
    return IdlePower(leakage_mw=leakage_energy(table, clocks, 1) * table.clock_mhz / 1000, free_mw=free, gates_mw=gates)
