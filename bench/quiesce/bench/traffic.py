"""Accesses of the memories on chip, and bytes moved, per MAC and per item."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from quiesce.bench.targets import BenchCase, Target, exact_run, mixes_channels, ratio
from quiesce.sim.cycles.decode import program_beats
from quiesce.sim.flow import RunOptions
from quiesce.sim.result import LayerRun, Run
from quiesce.spec.config import CoreConfig
from quiesce.sw import reference
from quiesce.sw.compiler import compile_network
from quiesce.sw.format.layer import Layer

__all__ = ["LayerTraffic", "TrafficResult", "measure_traffic", "traffic_of"]

_EVENTS_PER_PIXEL, _ACC_LIMIT = 10.0, 0.15
"""With at least so many events per pixel, at most so many accumulator accesses per MAC are wanted."""


@dataclass(frozen=True, kw_only=True)
class LayerTraffic:
    """One layer, or all of a network, in figures of one item unless they are ratios.

    Parameters
    ----------
    events_per_pixel : float or None
        Of the input, all channels of all its maps; None for all layers together.
    effectual_macs : float
    acc_per_mac, rows_per_mac, masks_per_mac : float or None
        Accesses of the accumulator memories (each a read followed by a write), rows read from the weight memories and weight-mask
        words read, all PEs, per effectual MAC; None without MACs.
    act_bytes_read, act_bytes_written, program_bytes : float
        Moved over the bus. The program of a layer is its pass descriptions and those weights that do not stay on chip.
    """

    network: str
    layer: str
    kind: str
    events_per_pixel: float | None
    effectual_macs: float
    acc_per_mac: float | None
    rows_per_mac: float | None
    masks_per_mac: float | None
    act_bytes_read: float
    act_bytes_written: float
    program_bytes: float
    target: Target | None


@dataclass(frozen=True, kw_only=True)
class TrafficResult:
    config: dict[str, int]
    items: dict[str, int]
    inputs: dict[str, str]
    layers: tuple[LayerTraffic, ...]
    totals: tuple[LayerTraffic, ...]
    """One for each network."""


def _traffic(network: str, layer: str, kind: str, counted: Sequence[LayerRun], run: Run, beats: int) -> LayerTraffic:
    total = {counter: sum(one.counters[counter] for one in counted) for counter in counted[0].counters}
    macs, beat_bytes = total["effectual_macs"], run.config["data_width"] // 8
    return LayerTraffic(
        network=network,
        layer=layer,
        kind=kind,
        events_per_pixel=None,
        effectual_macs=macs / run.items,
        acc_per_mac=ratio(total["acc_accesses"], macs),
        rows_per_mac=ratio(total["weight_reads"], macs),
        masks_per_mac=ratio(total["mask_reads"], macs),
        act_bytes_read=total["beats_read"] * beat_bytes / run.items,
        act_bytes_written=total["beats_written"] * beat_bytes / run.items,
        program_bytes=float(beats * beat_bytes),
        target=None,
    )


def _with_target(traffic: LayerTraffic, layer: Layer, events_per_pixel: float) -> LayerTraffic:
    name = f"{traffic.network} {layer.name}: accumulator accesses per MAC"
    target = Target(name=name, value=traffic.acc_per_mac, limit=_ACC_LIMIT, at_least=False)
    wanted = mixes_channels(layer) and events_per_pixel >= _EVENTS_PER_PIXEL
    return replace(traffic, events_per_pixel=events_per_pixel, target=target if wanted else None)


def traffic_of(case: BenchCase, run: Run, beats: Sequence[int]) -> tuple[tuple[LayerTraffic, ...], LayerTraffic]:
    """Traffic of each layer, and of all together, from the counters of a run and the program beats of each layer."""
    name, shapes = case.network.name, case.network.shapes()
    counts = reference.run(case.network, case.inputs, keep_activations=False).counts
    layers = []
    for layer, counted, program in zip(case.network.layers, run.layers, beats, strict=True):
        rows, cols, _ = shapes[layer.inputs[0]]
        events = float(counts[layer.name].events.mean()) / (rows * cols)
        layers.append(_with_target(_traffic(name, layer.name, counted.kind, [counted], run, program), layer, events))
    return tuple(layers), _traffic(name, "all", "", run.layers, run, sum(beats))


def measure_traffic(cases: Sequence[BenchCase], config: CoreConfig) -> TrafficResult:
    """Run each network on its inputs.

    Raises
    ------
    SimError, CompileError
        See ``cosim``.
    """
    layers: list[LayerTraffic] = []
    totals: list[LayerTraffic] = []
    for case in cases:
        beats = program_beats(compile_network(case.network, config))
        of_layers, total = traffic_of(case, exact_run(case.network, case.inputs, config, RunOptions(energy=False)), beats)
        layers += of_layers
        totals.append(total)
    return TrafficResult(
        config=config.to_dict(),
        items={case.network.name: len(case.inputs) for case in cases},
        inputs={case.network.name: case.origin for case in cases},
        layers=tuple(layers),
        totals=tuple(totals),
    )
