"""Energy of networks on a core's netlist, and samples of it for the calibration."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from quiesce.sim.core_text import core_text
from quiesce.sim.energy.table import EnergyTable
from quiesce.sim.gates.analysis.flat import flatten
from quiesce.sim.gates.analysis.timing import analyse_timing
from quiesce.sim.gates.calibration.features import features_of
from quiesce.sim.gates.calibration.fit import Sample
from quiesce.sim.gates.calibration.floor import Floor
from quiesce.sim.gates.calibration.measurement import Facts
from quiesce.sim.gates.calibration.workloads import CalibrationCase, Workload
from quiesce.sim.gates.liberty.library import Library
from quiesce.sim.gates.replay.operation_tables import make_tables
from quiesce.sim.gates.replay.power import PARTS, PowerModel
from quiesce.sim.gates.replay.replay import LANES, NetlistActivity, ReplayRun, replay
from quiesce.sim.gates.replay.stimulus import Recorder, Stimulus
from quiesce.sim.gates.synth.core_netlist import synthesize_core
from quiesce.sim.gates.synth.synthesis import SynthesisOptions
from quiesce.spec.config import CoreConfig

__all__ = ["Progress", "NetlistWindow", "measure", "measure_windows", "reference_facts"]

Progress = Callable[[str], None]


@dataclass(frozen=True)
class NetlistWindow:
    """The cycles of one layer of a workload on a netlist.

    Attributes
    ----------
    workload : Workload
    stimulus : Stimulus
    layer : int
        Counter set.
    cycles : int
    picojoules : dict of str to dict of str to float
        By class of module and part (logic, clock, leakage).
    """

    workload: Workload
    stimulus: Stimulus
    layer: int
    cycles: int
    picojoules: dict[str, dict[str, float]]


def _record(config: CoreConfig, workloads: Iterable[Workload], progress: Progress) -> list[tuple[Workload, Stimulus, int]]:
    progress("building the simulator")
    recorder = Recorder(config)
    found = []
    for workload in workloads:
        progress(f"recording {workload.name}")
        stimulus = recorder.record(workload.network, workload.inputs, dense=workload.dense)
        if workload.waiting:
            stimulus = stimulus.with_waiting(workload.waiting)
        found += [(workload, stimulus, layer) for layer in stimulus.layers]
    return found


def _by_class(model: PowerModel, table: EnergyTable, energy: Sequence[Sequence[float]]) -> dict[str, dict[str, float]]:
    classes: dict[str, dict[str, float]] = {}
    for path, parts in zip(model.paths, energy, strict=True):
        total = classes.setdefault(table.module_class(path), dict.fromkeys(PARTS, 0.0))
        for part, picojoules in zip(PARTS, parts, strict=True):
            total[part] += float(picojoules)
    return classes


def measure_windows(
    config: CoreConfig, workloads: Iterable[Workload], library: Library, table: EnergyTable, *,
    options: SynthesisOptions | None = None, glitches: float = 1.0, period_ns: float = 0.0,
    progress: Progress = lambda what: None,
) -> list[NetlistWindow]:  # fmt: skip
    """Record workloads, simulate the netlist on the recordings and sum its energy up, layer by layer.

    Raises
    ------
    SimError
        A step failed; a netlist that differs from the RTL is a ``NetlistError``.
    """
    recorded = _record(config, workloads, progress)
    progress("synthesis")
    done = synthesize_core(config, library, options=options)
    flat = flatten(done.netlist, library, done.rams)
    tables = make_tables(flat)
    windows = []
    for begin in range(0, len(recorded), LANES):
        part = recorded[begin : begin + LANES]
        progress(f"simulating the netlist, {len(part)} windows at once")
        activity = replay(flat, [ReplayRun(stimulus.recording, stimulus.windows(layer)) for _, stimulus, layer in part], tables)
        model = PowerModel(flat, activity, glitches)
        energy = model.energy(activity, period_ns)
        windows += [
            NetlistWindow(workload, stimulus, layer, activity.cycles[lane], _by_class(model, table, energy[:, :, lane].tolist()))
            for lane, (workload, stimulus, layer) in enumerate(part)
        ]
    return windows


def reference_facts(case: CalibrationCase, library: Library, floor: Floor) -> Facts:
    """Frequency, leakage and clock tree of a case's netlist, as any workload would show them; see ``Facts``.

    The share of the tree is that with all clocks running.
    """
    done = synthesize_core(case.config, library)
    flat = flatten(done.netlist, library, done.rams)
    tables = make_tables(flat)
    always = NetlistActivity(np.ones((len(tables.counters), 1), np.uint32), tables.driven, (1,))
    clocks = [PowerModel(flat, always, clock_trees=trees).energy(always, 0.0)[:, 1].sum() for trees in (True, False)]
    model = PowerModel(flat, always)
    registers = sum(1 for cell in flat.cells if cell.cell.flip_flop)
    return Facts(
        case=case.name,
        digest=sha256(core_text(case.config).verilog.encode()).hexdigest(),
        mhz=analyse_timing(flat).mhz,
        leakage_nw=float(model.leakage_nw.sum()) / registers,
        tree=float(clocks[0] / clocks[1]) - 1,
        floor=floor,
    )


def measure(
    case: CalibrationCase, library: Library, table: EnergyTable, *, glitches: float = 1.0, progress: Progress = lambda what: None
) -> list[Sample]:  # fmt: skip
    """Samples of all windows of a case; see ``measure_windows``."""
    clocks = core_text(case.config).clocks
    windows = measure_windows(
        case.config, case.workloads, library, table, glitches=glitches, progress=lambda what: progress(f"{case.name}: {what}")
    )
    return [
        Sample(
            case.name,
            window.workload.name,
            window.stimulus.layers[window.layer],
            window.workload.fitted,
            features_of(
                table,
                case.config,
                clocks,
                window.stimulus.counters[window.layer],
                window.stimulus.activity.get(window.layer, {}),
            ),
            {class_: parts["logic"] for class_, parts in window.picojoules.items()},
            sum(parts["clock"] for parts in window.picojoules.values()),
        )
        for window in windows
    ]
