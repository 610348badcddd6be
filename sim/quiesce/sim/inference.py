"""Networks on the core: compile, simulate, compare with the integer reference, count cycles and energy."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from quiesce.sim.build import build_simulator
from quiesce.sim.core import core_text
from quiesce.sim.energy.model import clock_energy, off_chip_energy, stretch_energy
from quiesce.sim.energy.monitors import Clocks
from quiesce.sim.energy.table import EnergyTable, load_table
from quiesce.sim.errors import CoreError, SimError
from quiesce.sim.icarus import build_icarus
from quiesce.sim.job import Bus, Job, JobResult, Phase, PhaseResult, Progress, run_job
from quiesce.sim.placement import Placement, place, program_memory, program_script
from quiesce.sim.run import LayerRun, Run
from quiesce.sim.script import counters_of
from quiesce.spec.config import CoreConfig, preset
from quiesce.spec.isa import Region
from quiesce.spec.performance import Counter
from quiesce.spec.registers import CORE_ID, ErrorCode, Status
from quiesce.sw import reference
from quiesce.sw.compiler import LayerPlan, Program, compile_network
from quiesce.sw.data.quality import classes_of, quality
from quiesce.sw.format.errors import FormatError
from quiesce.sw.format.network import Network

__all__ = ["cosim"]

Acts = npt.NDArray[np.int8]
Counters = Mapping[Counter, int]


def cosim(
    network: Network,
    inputs: Acts,
    *,
    config: CoreConfig | None = None,
    labels: npt.NDArray[np.integer] | None = None,
    dense: bool = False,
    energy: bool = True,
    energy_images: int | None = None,
    latency: int = 32,
    gap: int = 0,
    stall: int = 0,
    seed: int = 1,
    calibration: Acts | None = None,
    cold: bool = False,
    watchdog: int | None = None,
    progress: Progress | None = None,
    simulator: Literal["verilator", "icarus", "loop"] = "verilator",
) -> Run:
    """Run a network on the Verilog of a core and compare every output and count with the integer reference.

    Activity is counted as the images run. If energy is of the first ``energy_images`` only, then all images run without counting,
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
    dense : bool
        Turn zero-skipping off.
    energy : bool
        Measure energy, too.
    energy_images : int, optional
        Images to measure it on, at least 1; by default, and at most, all.
    latency, gap, stall, seed : int
        Of the memory, see ``Bus``.
    calibration : ndarray, optional
        Further inputs, int8, (M, rows, cols, chans), whose events tell the compiler how to spread the channels over the PEs.
    cold : bool
        Compile for a single item that finds nothing on chip: every item loads all weights, see ``compile_network``.
    watchdog : int, optional
        Cycles without a finished packet before the core gives up; by default more than any layer takes.
    progress : callable, optional
        Called now and then with the number of finished images.
    simulator : {"verilator", "icarus", "loop"}
        Icarus interprets the Verilog, some hundred times slower. "loop" is Verilator's without Python, which starts in
        milliseconds rather than seconds. Both do not measure energy.

    Raises
    ------
    SimError
        The inputs do not fit together, energy is not measured there, or the simulator could not be built or run.
    CoreError
        The core reported an error, broke a bus rule or did not finish. Wrong results are no error here: see ``bit_exact``.
    CompileError, FormatError
        The network cannot be compiled, or the inputs are not what it takes.
    """
    config = config or preset("base")
    if len(inputs) == 0:
        raise SimError("inputs: no images")
    if labels is not None and labels.shape not in ((len(inputs),), (len(inputs), *network.shapes()[network.output][:2])):
        raise SimError(f"labels: shape {labels.shape} does not fit {len(inputs)} images")
    if energy_images is not None and energy_images < 1:
        raise SimError(f"energy_images: {energy_images} is not at least 1")
    if energy and simulator != "verilator":
        raise SimError(f"energy: {simulator.capitalize()} counts no activity")
    bus = Bus(latency=latency, gap=gap, stall=stall, seed=seed)
    expected = reference.run(network, inputs, keep_activations=False)
    events = None if calibration is None else reference.channel_events(network, calibration)
    program = compile_network(network, config, events=events, cold=cold)
    core = core_text(config)
    if simulator == "icarus":
        built = build_icarus(core.verilog)
    else:
        main: Literal["cocotb", "loop"] = "loop" if simulator == "loop" else "cocotb"
        built = build_simulator(core.monitored if energy else core.verilog, main=main, toggles=energy)

    items = [len(inputs)]
    if energy and energy_images is not None and energy_images < len(inputs):
        items.append(energy_images)
    placement = place(program, config, len(inputs))
    scripts = [program_script(program, placement, n_items, dense=dense, watchdog=watchdog) for n_items in items]
    # Far beyond any mapping's cycles: the core's own watchdog is the one to speak first.
    limits = [(1 << 22) + n_items * ((1 << 20) + 16 * expected.dense_macs) for n_items in items]
    phases = [
        Phase(script=script.encode(), limit=limit, toggles=energy and index == len(items) - 1)
        for index, (script, limit) in enumerate(zip(scripts, limits, strict=True))
    ]
    energies: dict[int, dict[str, Any]] = {}
    table = load_table()
    with TemporaryDirectory(prefix="quiesce-") as folder:
        result = run_job(built, Job(program_memory(program, placement, inputs), phases, bus), Path(folder), progress)
        values = [script.decode(phase.results) for script, phase in zip(scripts, result.phases, strict=True)]
        for report in values:
            _check_status(report)
    if energy:
        energies = _energies(table, config, _sets(program, values[-1]), result.phases[-1], core.clocks, items[-1])
    sets, core_sets = _sets(program, values[0]), _core_sets(program, values[0])
    outputs, mismatch = _outputs(program, placement, result, len(inputs))
    if outputs is not None:
        mismatch = _mismatch(program, sets, outputs, expected)
    cycles = values[0]["end"] - values[0]["begin"]
    return Run(
        network=network.name,
        config=config.to_dict(),
        dense=dense,
        latency=latency,
        items=len(inputs),
        layers=tuple(
            _layer_run(plan, sets[plan.counter], core_sets[plan.counter], config, energies.get(plan.counter, {}))
            for plan in program.layers
        ),
        cycles=cycles,
        load_cycles=cycles - sum(counters[Counter.CYCLES] for counters in sets.values()),
        energy_items=items[-1] if energy else 0,
        energy_excluded=table.excluded,
        energy_basis=table.basis(),
        bit_exact=not mismatch,
        mismatch=mismatch,
        accuracy=None if labels is None or outputs is None else quality(classes_of(outputs, labels), labels),
        simulated_cycles=result.phases[0].cycles,
        simulation_seconds=result.phases[0].seconds,
        outputs=outputs,
    )


def _check_status(values: Mapping[object, int]) -> None:
    if values["id"] != CORE_ID:
        raise CoreError(f"the core identifies itself as {values['id']:#010x}, not {CORE_ID:#010x}")
    if values["status"] & 1 << Status.ERROR:
        core, code = divmod(values["error"], 1 << 8)
        name = ErrorCode(code).name if code in set(ErrorCode) else str(code)
        raise CoreError(f"core {core} stopped with error {name} after {values['items']} items")


def _core_sets(program: Program, values: Mapping[object, int]) -> dict[int, list[Counters]]:
    """Counters of all layers, by counter set, of each core."""
    config = program.config
    return {
        plan.counter: [counters_of(values, core * config.max_layers + plan.counter) for core in range(config.n_cores)]
        for plan in program.layers
    }


def _sets(program: Program, values: Mapping[object, int]) -> dict[int, Counters]:
    """Counters of all layers, by counter set: sums over the cores, but of cycles, which are the same for all."""
    sets: dict[int, Counters] = {}
    for index, cores in _core_sets(program, values).items():
        cycles = {counters[Counter.CYCLES] for counters in cores}
        if len(cycles) > 1:
            raise CoreError(f"counter set {index}: the cores counted different cycles: {sorted(cycles)}")
        total = {counter: sum(counters[counter] for counters in cores) for counter in Counter}
        sets[index] = total | {Counter.CYCLES: cycles.pop()}
    return sets


def _outputs(program: Program, placement: Placement, result: JobResult, n_items: int) -> tuple[Acts | None, str]:
    """The outputs in memory, or why they cannot be read."""
    base, size = placement.regions[Region.OUTPUT]
    try:
        return program.decode_outputs(result.memory[base : base + size].tobytes(), n_items), ""
    except FormatError as error:
        return None, f"the outputs are not in the tensor format: {error}"


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


def _layer_run(
    plan: LayerPlan, counters: Counters, cores: list[Counters], config: CoreConfig, energy: dict[str, Any]
) -> LayerRun:
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
