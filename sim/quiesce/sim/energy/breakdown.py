"""Energy of a stretch of cycles: E = toggles + work + clocks + memory accesses + leakage, by class of module; and off-chip."""

from collections.abc import Mapping

from quiesce.rtl.lib.code import stored_bits
from quiesce.sim.energy.class_work import work
from quiesce.sim.energy.module_activity import ModuleActivity
from quiesce.sim.energy.monitors import Clocks
from quiesce.sim.energy.table import CLASSES, EnergyTable
from quiesce.spec.config import CoreConfig
from quiesce.spec.performance import Counter

__all__ = [
    "clock_energy", "clocked", "leakage_energy", "memory_energy", "off_chip_energy", "state_energy", "stretch_energy",
    "toggle_energy",
    "work_energy",
]  # fmt: skip

_MAXIMUM_BITS = 7
"""Bits of a channel's maximum, which is not negative."""


def memory_energy(table: EnergyTable, config: CoreConfig, counters: Mapping[Counter, int]) -> dict[str, float]:
    """pJ of memory accesses, by class, from a layer's counters.

    - accumulators: two banks of ``acc_depth / 2`` words; each access is a read and a write; and `state_energy`;
    - weights: rows and mask words (with their index) that the PEs read, and a row write for each beat of the program;
    - buffers: each activation beat is written to the buffer and read from it once; rows of channel maxima are read and written.

    Check bits of protected memories are read and written with their words.
    """
    sram, check = table.sram, config.ram_check
    acc_bits = stored_bits(check, config.n_lanes * config.acc_width)
    mask_bits = stored_bits(check, config.mask_width + config.weight_index_width)
    beat_bits = stored_bits(check, config.data_width)
    acc = sram.read(config.acc_depth // 2, acc_bits) + sram.write(config.acc_depth // 2, acc_bits)
    row_read, row_write = (access(config.weight_depth, beat_bits) for access in (sram.read, sram.write))
    buffer = sram.read(config.act_depth, beat_bits) + sram.write(config.act_depth, beat_bits)
    return {
        "accumulators": counters[Counter.ACC_ACCESSES] * acc + state_energy(table, config, counters),
        "weights": (
            counters[Counter.WEIGHT_READS] * row_read
            + counters[Counter.MASK_READS] * sram.read(config.mask_depth, mask_bits)
            + counters[Counter.PROGRAM_BEATS] * row_write
        ),
        "buffers": counters[Counter.BEATS_READ] * buffer + _winner_energy(table, config, counters),
    }


def state_energy(table: EnergyTable, config: CoreConfig, counters: Mapping[Counter, int]) -> float:
    """pJ of the memories of kept sums and of values sent last."""
    if not config.state_depth:
        return 0.0
    sums, sent = ((config.state_rows, stored_bits(config.ram_check, bits * config.post_units)) for bits in (config.acc_width, 8))
    reads, writes, accesses = (counters[counter] for counter in (Counter.SUM_READS, Counter.SUM_WRITES, Counter.SENT_ACCESSES))
    return (
        reads * table.sram.read(*sums) + writes * table.sram.write(*sums)
        + accesses * (table.sram.read(*sent) + table.sram.write(*sent))
    )  # fmt: skip


def _winner_energy(table: EnergyTable, config: CoreConfig, counters: Mapping[Counter, int]) -> float:
    """pJ of the maxima of winners-take-all; the marks of the winners, a bit per channel, are left out."""
    if not config.winner_depth:
        return 0.0
    n_parts = config.detector_width // config.post_units
    row = config.winner_rows, stored_bits(config.ram_check, _MAXIMUM_BITS * config.detector_width, n_parts)
    reads, writes = counters[Counter.MAXIMA_ACCESSES] + counters[Counter.RANKING], counters[Counter.MAXIMA_ACCESSES]
    return reads * table.sram.read(*row) + writes * table.sram.write(*row)


def work_energy(table: EnergyTable, config: CoreConfig, counters: Mapping[Counter, int]) -> dict[str, float]:
    """pJ of work, by class, from a layer's counters; see ``work``."""
    return {class_: done * table.work_pj.get(class_, 0.0) for class_, done in work(config, counters).items()}


def toggle_energy(table: EnergyTable, activity: Mapping[str, ModuleActivity]) -> dict[str, float]:
    """pJ of switching, by class, from the activity of each module."""
    energy = dict.fromkeys(CLASSES, 0.0)
    for path, module in activity.items():
        class_ = table.module_class(path)
        energy[class_] += module.toggles * table.toggles_pj[class_]
    return energy


def clocked(clocks: Mapping[str, Clocks], activity: Mapping[str, ModuleActivity], cycles: float) -> tuple[float, float]:
    """Flip-flops, words of small memories left out, and clock gates, each times the cycles in which a gated clock reaches them.

    Parameters
    ----------
    clocks, activity : dict
        As for ``clock_energy``.
    """
    pins = cycles * sum(module.free_flip_flops for module in clocks.values())
    pins += sum(module.loads + module.loads_reset for module in activity.values())
    gates = cycles * sum(module.root_gates for module in clocks.values())
    return pins, gates + sum(module.gates for module in activity.values())


def clock_energy(
    table: EnergyTable,
    clocks: Mapping[str, Clocks],
    activity: Mapping[str, ModuleActivity],
    cycles: float,
    gated: bool | None = None,
) -> float:
    """pJ of clock pins, clock gates and the tree over ``cycles``; the words of small memories are clocked as they are written.

    Parameters
    ----------
    clocks, activity : dict
        By instance path; modules whose registers never load may miss in ``activity``.
    gated : bool, optional
        Whether there are clock gates, if not as the table has it.
    """
    if table.gated if gated is None else gated:
        pins, gates = clocked(clocks, activity, cycles)
    else:
        pins, gates = cycles * sum(module.flip_flops for module in clocks.values()), 0.0
    return (pins * table.clock_pj + gates * table.gate_pj) * (1 + table.clock_tree)


def leakage_energy(table: EnergyTable, clocks: Mapping[str, Clocks], cycles: float) -> float:
    """pJ of leakage while ``cycles`` pass."""
    nanowatts = table.leakage_nw * sum(module.flip_flops + module.word_bits for module in clocks.values())
    return nanowatts * 1e-3 * cycles / table.clock_mhz


def off_chip_energy(table: EnergyTable, config: CoreConfig, counters: Mapping[Counter, int]) -> float:
    """pJ of the bytes that cross the bus; the program, which all cores execute, crosses it once."""
    beats = counters[Counter.BEATS_READ] + counters[Counter.BEATS_WRITTEN] + counters[Counter.PROGRAM_BEATS] / config.n_cores
    return beats * config.beat_bytes * table.off_chip_pj


def stretch_energy(
    table: EnergyTable,
    config: CoreConfig,
    *,
    counters: Mapping[Counter, int],
    activity: Mapping[str, ModuleActivity],
    clocks: Mapping[str, Clocks],
) -> dict[str, float]:
    """pJ on chip by class of what happened while ``counters`` and ``activity`` were counted; all of CLASSES are present."""
    energy = toggle_energy(table, activity)
    for part in (memory_energy(table, config, counters), work_energy(table, config, counters)):
        for class_, picojoules in part.items():
            energy[class_] += picojoules
    energy["clock"] += clock_energy(table, clocks, activity, counters[Counter.CYCLES])
    energy["leakage"] += leakage_energy(table, clocks, counters[Counter.CYCLES])
    return energy
