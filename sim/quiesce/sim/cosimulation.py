"""Networks on the core: simulate, compare with the integer reference, count cycles and energy."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from quiesce.sim.build import Simulator, build_simulator
from quiesce.sim.core_text import CoreText, core_text
from quiesce.sim.energy.breakdown import clock_energy, off_chip_energy, stretch_energy
from quiesce.sim.energy.monitors import Clocks
from quiesce.sim.energy.table import EnergyTable, load_table
from quiesce.sim.errors import SimError
from quiesce.sim.flow import Acts, Counters, Deployment, Report, RunOptions, deploy
from quiesce.sim.job import JobPhase, JobResult, PhaseResult, Progress, run_job
from quiesce.sim.result import LayerRun, Run
from quiesce.spec.config import CoreConfig, preset
from quiesce.spec.performance import Counter
from quiesce.sw import reference
from quiesce.sw.compiler import LayerPlan, Program
from quiesce.sw.data.quality import classes_of, quality
from quiesce.sw.format.errors import FormatError
from quiesce.sw.format.network import Network

__all__ = ["cosim"]


def cosim(
    network: Network,
    inputs: Acts,
    *,
    config: CoreConfig | None = None,
    labels: npt.NDArray[np.integer] | None = None,
    calibration: Acts | None = None,
    options: RunOptions | None = None,
    progress: Progress | None = None,
) -> Run:
    """Run a network on the Verilog of a core and compare every output and count with the integer reference.

    Activity is counted as the items run. If energy is of the first ``energy_items`` only, then all run without counting,
    which is faster, and those run again.

    Parameters
    ----------
    network : Network
    inputs : ndarray
        int8, (N, rows, cols, chans), N at least 1.
    config : CoreConfig, optional
        The core; by default the preset "base".
    labels : ndarray, optional
        Integers, (N,) or of each output pixel (N, rows, cols), for the accuracy or the mean IoU.
    calibration : ndarray, optional
        See ``deploy``.
    options : RunOptions, optional
    progress : callable, optional
        Called now and then with the number of finished items.

    Raises
    ------
    SimError
        The inputs do not fit together, or the simulator could not be built or run.
    CoreError
        The core reported an error, broke a bus rule or did not finish. Wrong results are no error here: see ``bit_exact``.
    CompileError, FormatError
        The network cannot be compiled, or the inputs are not what it takes.
    """
    config, options = config or preset("base"), options or RunOptions()
    if len(inputs) == 0:
        raise SimError("inputs: no images")
    if labels is not None and labels.shape not in ((len(inputs),), (len(inputs), *network.shapes()[network.output][:2])):
        raise SimError(f"labels: shape {labels.shape} does not fit {len(inputs)} images")
    expected = reference.run(network, inputs, keep_activations=False)
    deployment = deploy(network, inputs, config, options, calibration=calibration)
    core = core_text(config)
    phases = _phases(deployment)
    with TemporaryDirectory(prefix="quiesce-") as folder:
        result = run_job(_simulator(core, options), deployment.job(*phases), Path(folder), progress)
    reports = [deployment.report(phase.values) for phase in result.phases]
    energies, table, n_measured = {}, load_table(), 0
    if options.energy:
        n_measured = min(options.energy_items or len(inputs), len(inputs))
        energies = _energies(table, config, reports[-1].counters, result.phases[-1], core.clocks, n_measured)
    report = reports[0]
    outputs, mismatch = _compare(deployment, report, result, expected)
    return Run(
        network=network.name,
        config=config.to_dict(),
        dense=options.dense,
        latency=options.bus.latency,
        items=len(inputs),
        layers=tuple(_layer_run(plan, report, config, energies.get(plan.counter, {})) for plan in deployment.program.layers),
        cycles=report.cycles,
        load_cycles=report.cycles - sum(counters[Counter.CYCLES] for counters in report.counters.values()),
        energy_items=n_measured,
        energy_excluded=table.excluded,
        energy_basis=table.basis(),
        bit_exact=not mismatch,
        mismatch=mismatch,
        accuracy=None if labels is None or outputs is None else quality(classes_of(outputs, labels), labels),
        simulated_cycles=result.phases[0].cycles,
        simulation_seconds=result.phases[0].seconds,
        outputs=outputs,
    )


def _simulator(core: CoreText, options: RunOptions) -> Simulator:
    if options.simulator == "icarus":
        from quiesce.sim.icarus import build_icarus

        return build_icarus(core.verilog)
    main: Literal["cocotb", "loop"] = "loop" if options.simulator == "loop" else "cocotb"
    return build_simulator(core.monitored if options.energy else core.verilog, main=main, toggles=options.energy)


def _phases(deployment: Deployment) -> list[JobPhase]:
    """All items; and the first of them again, if activity is counted on those only."""
    options = deployment.options
    counted = options.energy_items if options.energy else None
    if counted is not None and counted < deployment.n_items:
        return [deployment.phase(), deployment.phase(counted, toggles=True)]
    return [deployment.phase(toggles=options.energy)]


def _compare(
    deployment: Deployment, report: Report, result: JobResult, expected: reference.ReferenceResult
) -> tuple[Acts | None, str]:
    """The outputs, if they can be read, and the first difference from the reference, or nothing."""
    try:
        outputs = deployment.outputs(result.memory)
    except FormatError as error:
        return None, f"the outputs are not in the tensor format: {error}"
    return outputs, _mismatch(deployment.program, report.counters, outputs, expected)


def _mismatch(program: Program, sets: Mapping[int, Counters], outputs: Acts, expected: reference.ReferenceResult) -> str:
    """The first difference from the reference, or nothing."""
    if outputs.shape != expected.outputs.shape:
        return f"outputs have shape {outputs.shape} instead of {expected.outputs.shape}"
    wrong = np.argwhere(outputs != expected.outputs)
    if len(wrong):
        at = tuple(int(i) for i in wrong[0])
        return f"{len(wrong)} outputs differ, first {at}: {outputs[at]} instead of {expected.outputs[at]}"
    for plan in program.layers:
        counted = sets[plan.counter][Counter.EFFECTUAL_MACS]
        wanted = int(expected.counts[plan.name].effectual_macs.sum())
        if counted != wanted:
            return f"layer {plan.name!r}: {counted} effectual MACs instead of {wanted}"
    return ""


def _energies(
    table: EnergyTable, config: CoreConfig, sets: Mapping[int, Counters], phase: PhaseResult, clocks: Mapping[str, Clocks],
    n_items: int,
) -> dict[int, dict[str, Any]]:  # fmt: skip
    """The fields of ``LayerRun`` about energy, of one item, by counter set."""
    energies = {}
    for index, counters in sets.items():
        activity = phase.activity.get(index, {})
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
