"""Energy of networks, of single layers and by activity: event-driven, in dense mode, and on a plain dense core."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from quiesce.bench.targets import BenchCase, exact_run, mixes_channels
from quiesce.sim.core_text import core_text, plain_core
from quiesce.sim.energy.idle import IdlePower, idle_power
from quiesce.sim.energy.summary import EnergySummary
from quiesce.sim.energy.table import load_table
from quiesce.sim.flow import RunOptions
from quiesce.sim.job import Bus
from quiesce.sim.result import Run
from quiesce.sim.synthetic import ConvSpec, draw_inputs
from quiesce.spec.config import CoreConfig
from quiesce.sw import reference
from quiesce.sw.format.layer import MapSpec
from quiesce.sw.format.network import INPUT, Network

__all__ = ["ACTIVITIES", "LAYER", "ActivityPoint", "EnergyResult", "EnergyRow", "measure_energy", "single_layers"]

ACTIVITIES = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
LAYER = ConvSpec(cin=16, cout=16, kernel=3, size=16, pad=1)


@dataclass(frozen=True, kw_only=True)
class EnergyRow:
    """A network or a layer on one engine, of one image.

    Parameters
    ----------
    workload : str
    engine : {"event-driven", "dense mode", "plain"}
        The core, the core with zero-skipping turned off, or one without any zero-skipping.
    cycles : float
    energy_pj : dict of str to float
        On chip, by class of module.
    summary : EnergySummary
    ratio : float
        Energy on chip over that of the event-driven run.
    """

    workload: str
    engine: str
    cycles: float
    energy_pj: dict[str, float]
    summary: EnergySummary
    ratio: float


@dataclass(frozen=True, kw_only=True)
class ActivityPoint:
    """A random layer at one density of its activations.

    Parameters
    ----------
    activity : float
        Nonzero share of the activations.
    cycles, energy_pj : float
        Of one item, on chip.
    power_mw : float
        If an item comes as often as dense mode could take it, and the core waits in between.
    energy_ratio, power_ratio : float or None
        Over the ideal straight line from nothing to the figure at full activity; None without activity.
    """

    activity: float
    cycles: float
    energy_pj: float
    power_mw: float
    energy_ratio: float | None
    power_ratio: float | None


@dataclass(frozen=True, kw_only=True)
class EnergyResult:
    """Parameters
    ----------
    coefficients : str
        Name of the table.
    excluded : str
        What it leaves out.
    basis : dict of str to float
        See ``EnergyTable.basis``.
    inputs : dict of str to str
        Where those of each network are from.
    idle : IdlePower
        Of the core while it waits.
    dense_cycles, dense_pj : float
        Of an item of ``layer`` in dense mode, at the highest activity.
    """

    config: dict[str, int]
    coefficients: str
    excluded: str
    basis: dict[str, float]
    latency: int
    seed: int
    images: int
    inputs: dict[str, str]
    networks: tuple[EnergyRow, ...]
    layers: tuple[EnergyRow, ...]
    layer: ConvSpec
    idle: IdlePower
    dense_cycles: float
    dense_pj: float
    points: tuple[ActivityPoint, ...]


def single_layers(case: BenchCase) -> list[BenchCase]:
    """Convolutions at a third, at two thirds and at the end of a network, each alone on what reaches it in the network."""
    network = case.network
    found = [layer for layer in network.layers if mixes_channels(layer)]
    picked = dict.fromkeys(found[index] for index in (len(found) // 3, 2 * len(found) // 3, len(found) - 1)) if found else {}
    activations = reference.run(network, case.inputs).activations
    cases = []
    for layer in picked:
        source = layer.inputs[0]
        inputs = case.inputs if source == INPUT else activations[source]
        low, high = network.limits(source)
        spec = MapSpec(
            height=inputs.shape[1], width=inputs.shape[2], chans=inputs.shape[3], scale=network.scale(source), low=low, high=high,
            bits=network.bits(source),
        )  # fmt: skip
        alone = Network(
            name=f"{network.name}:{layer.name}", input=spec, layers=(replace(layer, inputs=(INPUT,)),), output=layer.name
        )
        cases.append(BenchCase(network=alone, inputs=inputs, origin=case.origin))
    return cases


def _row(run: Run, workload: str, engine: str, baseline: float | None) -> EnergyRow:
    summary = run.energy_summary
    assert summary is not None
    return EnergyRow(
        workload=workload, engine=engine, cycles=run.cycles_per_item, energy_pj=run.energy_by_class(), summary=summary,
        ratio=summary.on_chip_pj / (baseline or summary.on_chip_pj),
    )  # fmt: skip


def _rows(case: BenchCase, config: CoreConfig, options: RunOptions) -> list[EnergyRow]:
    """The three engines on one workload, the event-driven first."""
    engines = {"event-driven": (config, False), "dense mode": (config, True), "plain": (plain_core(config), True)}
    rows: list[EnergyRow] = []
    for engine, (core, dense) in engines.items():
        run = exact_run(case.network, case.inputs, core, replace(options, dense=dense))
        rows.append(_row(run, case.network.name, engine, rows[0].summary.on_chip_pj if rows else None))
    return rows


def _points(
    runs: Mapping[float, Run], dense_cycles: float, idle_mw: float, basis: Mapping[str, float]
) -> tuple[ActivityPoint, ...]:
    def power(run: Run) -> float:
        """Work takes its energy, the rest of the period that of waiting; pJ over us are uW."""
        waiting = max(0.0, dense_cycles - run.cycles_per_item) / basis["clock_mhz"]
        period = max(dense_cycles, run.cycles_per_item) / basis["clock_mhz"]
        return ((run.energy_pj_per_item or 0.0) / 1000 + idle_mw * waiting) / period

    full = runs[max(runs)]
    points = []
    for activity, run in sorted(runs.items()):
        energy, milliwatts = run.energy_pj_per_item or 0.0, power(run)
        share = activity / max(runs)
        points.append(
            ActivityPoint(
                activity=activity, cycles=run.cycles_per_item, energy_pj=energy, power_mw=milliwatts,
                energy_ratio=energy / (share * (full.energy_pj_per_item or 1.0)) if share else None,
                power_ratio=milliwatts / (share * power(full)) if share else None,
            )
        )  # fmt: skip
    return tuple(points)


def measure_energy(
    networks: Sequence[BenchCase],
    layers: Sequence[BenchCase],
    config: CoreConfig,
    *,
    layer: ConvSpec = LAYER,
    activities: tuple[float, ...] = ACTIVITIES,
    latency: int = 32,
    seed: int = 1,
) -> EnergyResult:
    """Energy of whole networks and single layers on the three engines, and of one random layer by activity.

    Parameters
    ----------
    networks, layers : sequence of BenchCase
        For ``layers`` see ``single_layers``.
    activities : tuple of float
        Densities of the random layer's activations, 0..1, the largest above 0.

    Raises
    ------
    CoreError
        A run differs from the reference.
    SimError, CompileError, FormatError
        See ``cosim``.
    """
    table, options = load_table(), RunOptions(bus=Bus(latency=latency))
    network = layer.network(seed)
    runs: dict[float, Run] = {}
    for activity in activities:
        inputs = draw_inputs(network, activity, seed)
        runs[float(np.count_nonzero(inputs)) / inputs.size] = exact_run(network, inputs, config, options)
    dense = exact_run(network, draw_inputs(network, max(activities), seed), config, replace(options, dense=True))
    idle = idle_power(table, core_text(config).clocks)
    return EnergyResult(
        config=config.to_dict(),
        coefficients=table.name,
        excluded=table.excluded,
        basis=table.basis(),
        latency=latency,
        seed=seed,
        images=max((len(case.inputs) for case in networks), default=0),
        inputs={case.network.name: case.origin for case in (*networks, *layers)},
        networks=tuple(row for case in networks for row in _rows(case, config, options)),
        layers=tuple(row for case in layers for row in _rows(case, config, options)),
        layer=layer,
        idle=idle,
        dense_cycles=dense.cycles_per_item,
        dense_pj=dense.energy_pj_per_item or 0.0,
        points=_points(runs, dense.cycles_per_item, idle.total_mw, table.basis()),
    )
