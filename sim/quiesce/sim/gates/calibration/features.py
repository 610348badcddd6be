"""What the RTL tells about the energy of a stretch of cycles: the counts that the energy model weighs."""

from collections.abc import Mapping
from dataclasses import dataclass

from quiesce.sim.energy.breakdown import clocked
from quiesce.sim.energy.class_work import work
from quiesce.sim.energy.module_activity import ModuleActivity
from quiesce.sim.energy.monitors import Clocks
from quiesce.sim.energy.table import EnergyTable
from quiesce.spec.config import CoreConfig
from quiesce.spec.performance import Counter

__all__ = ["Features", "features_of"]


@dataclass(frozen=True)
class Features:
    """Counts of some cycles of a whole core.

    Parameters
    ----------
    toggles : dict of str to float
        Changes of nets, by class of module.
    clocked : float
        Flip-flops times cycles in which their clock runs, words of small memories left out.
    gates : float
        Clock gates times cycles in which the clock reaches them.
    work : dict of str to float
        By class; see ``work``.
    """

    toggles: Mapping[str, float]
    clocked: float
    gates: float
    work: Mapping[str, float]


def features_of(
    table: EnergyTable,
    config: CoreConfig,
    clocks: Mapping[str, Clocks],
    counters: Mapping[Counter, int],
    activity: Mapping[str, ModuleActivity],
) -> Features:
    """Counts of the cycles that ``counters`` and ``activity`` counted."""
    cycles = counters[Counter.CYCLES]
    toggles: dict[str, float] = {}
    for path, happened in activity.items():
        class_ = table.module_class(path)
        toggles[class_] = toggles.get(class_, 0.0) + happened.toggles
    flip_flops, gates = clocked(clocks, activity, cycles)
    return Features(toggles, flip_flops, gates, work(config, counters))
