"""How busy the lanes are, layer by layer, and why they idle."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from quiesce.bench.targets import BenchCase, Target, exact_run, mixes_channels, ratio
from quiesce.sim.cycles.decode import program_beats
from quiesce.sim.flow import RunOptions
from quiesce.sim.job import Bus
from quiesce.sim.result import LayerRun, Run
from quiesce.spec.config import CoreConfig
from quiesce.sw.compiler import compile_network
from quiesce.sw.format.layer import Layer
from quiesce.sw.format.ops import LINEAR

__all__ = ["CAUSES", "LayerUse", "UtilisationResult", "measure_utilisation", "uses_of"]

CAUSES = ("starved", "imbalance", "memory", "post", "drain")
DENSE_WEIGHTS = 0.9
"""A layer with at least this share of nonzero weights counts as dense, with less as pruned."""


@dataclass(frozen=True, kw_only=True)
class LayerUse:
    """One layer.

    Parameters
    ----------
    group : str
        "dense" or "pruned" for convolutions with as many output channels as a core has lanes, without channel groups, and with
        input channels that reach more than one output channel; "linear" for linear layers; else nothing.
    weight_density : float or None
        Nonzero share of the weights; None for pools.
    cycles, effectual_macs : float
        Of one item.
    utilisation : float
        effectual MACs / (lanes x cycles).
    lane_bound : float
        The best utilisation that the mapping allows.
    idle : dict of str to float
        Idle lane-cycles by cause / (lanes x cycles).
    bound_cycles : float
        The larger of effectual MACs / lanes and the beats over the bus in its busier direction, program included, of one item.
    """

    network: str
    layer: str
    kind: str
    group: str
    weight_density: float | None
    cycles: float
    effectual_macs: float
    utilisation: float
    lane_bound: float
    idle: dict[str, float]
    bound_cycles: float


@dataclass(frozen=True, kw_only=True)
class UtilisationResult:
    config: dict[str, int]
    lanes: int
    items: dict[str, int]
    inputs: dict[str, str]
    layers: tuple[LayerUse, ...]
    targets: tuple[Target, ...]


def _group(layer: Layer, density: float | None, lanes: int) -> str:
    if layer.op is LINEAR:
        return "linear"
    if not mixes_channels(layer) or layer.cout < lanes or density is None:
        return ""
    return "dense" if density >= DENSE_WEIGHTS else "pruned"


def _use(case: BenchCase, layer: Layer, counted: LayerRun, program_beats: int, items: int, config: CoreConfig) -> LayerUse:
    density = None if layer.weight is None else np.count_nonzero(layer.weight) / layer.weight.size
    counters, lane_cycles = counted.counters, config.total_lanes * counted.cycles
    beats = max(counters["beats_read"] + program_beats * items, counters["beats_written"])
    return LayerUse(
        network=case.network.name,
        layer=layer.name,
        kind=counted.kind,
        group=_group(layer, density, config.n_pes * config.n_lanes),
        weight_density=density,
        cycles=counted.cycles / items,
        effectual_macs=counted.effectual_macs / items,
        utilisation=counted.effectual_macs / lane_cycles,
        lane_bound=counted.lane_bound,
        idle={cause: counted.idle[cause] / lane_cycles for cause in CAUSES},
        bound_cycles=max(counted.effectual_macs / config.total_lanes, beats) / items,
    )


def uses_of(case: BenchCase, run: Run, beats: Sequence[int], config: CoreConfig) -> tuple[LayerUse, ...]:
    """Use of each layer from the counters of a run and the program beats of each layer."""
    return tuple(
        _use(case, layer, counted, program, run.items, config)
        for layer, counted, program in zip(case.network.layers, run.layers, beats, strict=True)
    )


def targets_of(uses: Iterable[LayerUse], lanes: int) -> tuple[Target, ...]:
    """Aggregates over all layers of a group: sums of work divided by sums of cycles."""
    groups = {name: [use for use in uses if use.group == name] for name in ("dense", "pruned", "linear")}

    def use_of(group: str) -> float | None:
        macs = sum(use.effectual_macs for use in groups[group])
        return ratio(macs, lanes * sum(use.cycles for use in groups[group]))

    linear = groups["linear"]
    over_bound = ratio(sum(use.cycles for use in linear), sum(use.bound_cycles for use in linear))
    return (
        Target(name="lane utilisation, convolutions, dense weights", value=use_of("dense"), limit=0.95, at_least=True),
        Target(name="lane utilisation, convolutions, pruned weights", value=use_of("pruned"), limit=0.85, at_least=True),
        Target(name="cycles / bound, linear layers", value=over_bound, limit=1.1, at_least=False),
    )


def measure_utilisation(cases: Sequence[BenchCase], config: CoreConfig, *, latency: int = 32) -> UtilisationResult:
    """Run each network on its inputs.

    Raises
    ------
    SimError, CompileError
        See ``cosim``.
    """
    options = RunOptions(bus=Bus(latency=latency), energy=False)
    uses: list[LayerUse] = []
    for case in cases:
        beats = program_beats(compile_network(case.network, config))
        uses += uses_of(case, exact_run(case.network, case.inputs, config, options), beats, config)
    return UtilisationResult(
        config=config.to_dict(),
        lanes=config.total_lanes,
        items={case.network.name: len(case.inputs) for case in cases},
        inputs={case.network.name: case.origin for case in cases},
        layers=tuple(uses),
        targets=targets_of(uses, config.total_lanes),
    )
