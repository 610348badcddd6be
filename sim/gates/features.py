"""What the RTL tells about the energy of a stretch of cycles: the counts that the energy model weighs."""

from collections.abc import Mapping
from dataclasses import dataclass

from quiesce.sim.energy.activity import Activity
from quiesce.sim.energy.monitors import Clocks
from quiesce.sim.energy.table import EnergyTable
from quiesce.sw.config import CoreConfig
from quiesce.sw.isa import Counter

__all__ = ["STORAGE", "Features", "features_of"]

STORAGE = ("fifo", "psums")
"""Classes with storage in flip-flops that toggles do not show; it is charged by access."""


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
        Clock gates times cycles; each word of a small memory has one.
    accesses : dict of str to float
        Bits that pass the storage of a class of STORAGE.
    """

    toggles: Mapping[str, float]
    clocked: float
    gates: float
    accesses: Mapping[str, float]


def _bits_for(depth: int) -> int:
    return max(1, (depth - 1).bit_length())


def features_of(
    table: EnergyTable,
    config: CoreConfig,
    clocks: Mapping[str, Clocks],
    counters: Mapping[Counter, int],
    activity: Mapping[str, Activity],
) -> Features:
    """Counts of the cycles that ``counters`` and ``activity`` counted."""
    cycles = counters[Counter.CYCLES]
    toggles: dict[str, float] = {}
    for path, happened in activity.items():
        class_ = table.module_class(path)
        toggles[class_] = toggles.get(class_, 0.0) + happened.toggles
    free = sum(one.flip_flops - one.gated - one.gated_reset for one in clocks.values())
    loads = sum(happened.loads + happened.loads_reset for happened in activity.values())
    acc_bits = config.n_lanes * config.acc_width
    psum_bits = acc_bits + _bits_for(config.acc_depth) - _bits_for(config.psum_depth)
    event_bits = _bits_for(config.mask_depth * config.mask_width) + 8 + 2
    return Features(
        toggles,
        cycles * free + loads,
        cycles * sum(one.gates + one.gates_reset + one.words for one in clocks.values()),
        {
            "fifo": counters[Counter.FIFO_PUSHES] * event_bits,
            "psums": counters[Counter.MACS] // config.n_lanes * psum_bits,
        },
    )
