"""What a core counted and left behind, as a ``Run``: differences from the reference, layers, energy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from quiesce.sim.core_text import CoreText
from quiesce.sim.energy.breakdown import clock_energy, off_chip_energy, stretch_energy
from quiesce.sim.energy.monitors import Clocks
from quiesce.sim.energy.table import EnergyTable, load_table
from quiesce.sim.flow import Acts, Counters, Deployment, Report
from quiesce.sim.job import Bytes, PhaseResult
from quiesce.sim.result import LayerRun, Run
from quiesce.spec.config import CoreConfig
from quiesce.spec.performance import Counter
from quiesce.sw.compiler import LayerPlan, Program
from quiesce.sw.format.errors import FormatError

__all__ = ["Compared", "Measured", "assemble", "compare"]


@dataclass(frozen=True, eq=False)
class Compared:
    """Outputs, None if they were not well-formed, and the first difference from the reference, or nothing."""

    outputs: Acts | None
    mismatch: str


@dataclass(frozen=True)
class Measured:
    """The run in which activity was counted: its report, its phase, and its items."""

    report: Report
    phase: PhaseResult
    n_items: int


def compare(deployment: Deployment, report: Report, memory: Bytes, outputs: Acts, macs: Mapping[str, int]) -> Compared:
    """Compare what is there after a run with the outputs (n_items, rows, cols, chans) and the effectual MACs of each layer."""
    try:
        found = deployment.outputs(memory)
    except FormatError as error:
        return Compared(None, f"the outputs are not in the tensor format: {error}")
    return Compared(found, _mismatch(deployment.program, report.counters, found, outputs, macs))


def _mismatch(program: Program, sets: Mapping[int, Counters], found: Acts, outputs: Acts, macs: Mapping[str, int]) -> str:
    if found.shape != outputs.shape:
        return f"outputs have shape {found.shape} instead of {outputs.shape}"
    wrong = np.argwhere(found != outputs)
    if len(wrong):
        at = tuple(int(i) for i in wrong[0])
        return f"{len(wrong)} outputs differ, first {at}: {found[at]} instead of {outputs[at]}"
    for plan in program.layers:
        counted = sets[plan.counter][Counter.EFFECTUAL_MACS]
        if counted != macs[plan.name]:
            return f"layer {plan.name!r}: {counted} effectual MACs instead of {macs[plan.name]}"
    return ""


def assemble(
    deployment: Deployment, core: CoreText, report: Report, phase: PhaseResult, compared: Compared, *,
    measured: Measured | None, accuracy: float | None = None,
) -> Run:  # fmt: skip
    """The result of a run of all items, whose energy is that of the run that was ``measured``, if one was."""
    program, options, table = deployment.program, deployment.options, load_table()
    energies = {} if measured is None else _energies(table, program.config, measured, core.clocks)
    return Run(
        network=program.network.name,
        config=program.config.to_dict(),
        dense=options.dense,
        latency=options.bus.latency,
        items=deployment.n_items,
        layers=tuple(_layer_run(plan, report, program.config, energies.get(plan.counter, {})) for plan in program.layers),
        cycles=report.cycles,
        load_cycles=report.cycles - sum(counters[Counter.CYCLES] for counters in report.counters.values()),
        energy_items=0 if measured is None else measured.n_items,
        energy_excluded=table.excluded,
        energy_basis=table.basis(),
        bit_exact=not compared.mismatch,
        mismatch=compared.mismatch,
        accuracy=accuracy,
        simulated_cycles=phase.cycles,
        simulation_seconds=phase.seconds,
        outputs=compared.outputs,
    )


def _energies(
    table: EnergyTable, config: CoreConfig, measured: Measured, clocks: Mapping[str, Clocks]
) -> dict[int, dict[str, Any]]:
    """The fields of ``LayerRun`` about energy, of one item, by counter set."""
    n_items = measured.n_items
    energies = {}
    for index, counters in measured.report.counters.items():
        activity = measured.phase.activity.get(index, {})
        total = stretch_energy(table, config, counters=counters, activity=activity, clocks=clocks)
        cycles = counters[Counter.CYCLES]
        energies[index] = {
            "energy_pj": {class_: picojoules / n_items for class_, picojoules in total.items()},
            "off_chip_pj": off_chip_energy(table, config, counters) / n_items,
            "ungated_clock_pj": clock_energy(table, clocks, activity, cycles, gated=False) / n_items,
            "energy_macs": counters[Counter.EFFECTUAL_MACS] / n_items,
            "energy_cycles": cycles / n_items,
        }
    return energies


def _layer_run(plan: LayerPlan, report: Report, config: CoreConfig, energy: dict[str, Any]) -> LayerRun:
    counters, cores = report.counters[plan.counter], report.core_counters[plan.counter]
    cycles, effectual = counters[Counter.CYCLES], counters[Counter.EFFECTUAL_MACS]
    return LayerRun(
        name=plan.name,
        kind=str(plan.kind),
        cycles=cycles,
        events=counters[Counter.EVENTS],
        effectual_macs=effectual,
        dense_macs=plan.dense_macs,
        lane_utilisation=effectual / (config.total_lanes * cycles) if cycles else 0.0,
        core_utilisation=[core[Counter.EFFECTUAL_MACS] / (config.lanes * cycles) if cycles else 0.0 for core in cores],
        lane_bound=plan.lane_bound,
        idle={counter.name[5:].lower(): counters[counter] for counter in Counter if counter.name.startswith("IDLE_")},
        counters={counter.name.lower(): counters[counter] for counter in Counter},
        **energy,
    )
