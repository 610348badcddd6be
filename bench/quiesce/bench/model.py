"""The analytic cycle model beside the RTL, layer by layer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quiesce.bench.targets import BenchCase, Target, exact_run
from quiesce.sim.cycles.predict import predict
from quiesce.sim.errors import CoreError
from quiesce.sim.flow import RunOptions
from quiesce.sim.job import Bus
from quiesce.sim.synthetic import ConvSpec, draw_inputs
from quiesce.spec.config import CoreConfig
from quiesce.sw.compiler import compile_network

__all__ = ["LAYERS", "ModelPoint", "ModelResult", "SyntheticLayer", "error_targets", "synthetic_cases", "validate_model"]


@dataclass(frozen=True, kw_only=True)
class SyntheticLayer:
    """A random convolution and the density of its input."""

    layer: ConvSpec
    density: float


LAYERS = (
    SyntheticLayer(layer=ConvSpec(cin=16, cout=32, kernel=3, size=16, pad=1), density=0.5),
    SyntheticLayer(layer=ConvSpec(cin=16, cout=32, kernel=3, size=16, pad=1), density=0.02),
    SyntheticLayer(layer=ConvSpec(cin=32, cout=32, kernel=3, size=12, pad=1, weight_density=0.3), density=0.3),
    SyntheticLayer(layer=ConvSpec(cin=32, cout=64, kernel=3, size=8, pad=1, stride=2), density=0.2),
    SyntheticLayer(layer=ConvSpec(cin=64, cout=64, kernel=1, size=12), density=0.3),
    SyntheticLayer(layer=ConvSpec(cin=64, cout=64, kernel=1, size=12, weight_density=0.2), density=0.1),
    SyntheticLayer(layer=ConvSpec(cin=8, cout=24, kernel=5, size=10), density=0.4),
    SyntheticLayer(layer=ConvSpec(cin=3, cout=16, kernel=3, size=32, pad=1), density=1.0),
    SyntheticLayer(layer=ConvSpec(cin=128, cout=128, kernel=3, size=4, pad=1), density=0.3),
)


@dataclass(frozen=True, kw_only=True)
class ModelPoint:
    """One layer: cycles of all items on the RTL and by the model, and the relative error."""

    network: str
    layer: str
    kind: str
    cycles: int
    predicted: int
    error: float


@dataclass(frozen=True, kw_only=True)
class ModelResult:
    """Validation over layers; the targets are about the magnitude of the error."""

    config: dict[str, int]
    dense: bool
    latency: int
    seed: int
    items: dict[str, int]
    points: tuple[ModelPoint, ...]
    targets: tuple[Target, ...]


def synthetic_cases(seed: int, layers: Sequence[SyntheticLayer] = LAYERS) -> list[BenchCase]:
    """Random layers as networks of their own."""
    cases = []
    for entry in layers:
        network = entry.layer.network(seed)
        cases.append(BenchCase(network=network, inputs=draw_inputs(network, entry.density, seed), origin=_describe(entry)))
    return cases


def _describe(entry: SyntheticLayer) -> str:
    weights = "" if entry.layer.weight_density == 1 else f", weights {entry.layer.weight_density:.0%}"
    return f"{entry.layer.name}, density {entry.density:.0%}{weights}"


def error_targets(errors: Sequence[float], *, median: float, worst: float) -> tuple[Target, ...]:
    """Limits of the magnitude of relative errors; without any they are 0."""
    magnitudes = np.abs(errors) if errors else np.zeros(1)
    return (
        Target(name="median error of the model", value=float(np.median(magnitudes)), limit=median, at_least=False),
        Target(name="worst error of the model", value=float(magnitudes.max()), limit=worst, at_least=False),
    )


def validate_model(
    cases: Sequence[BenchCase], config: CoreConfig, *, dense: bool = False, latency: int = 32, seed: int = 1
) -> ModelResult:
    """Predict and co-simulate every case.

    Parameters
    ----------
    dense : bool
        Zero-skipping is off.
    seed : int
        Of the synthetic cases among them, for the report.

    Raises
    ------
    CoreError
        Events or MACs of the model differ from those of the core.
    SimError, CompileError, FormatError
        See ``cosim``.
    """
    options = RunOptions(dense=dense, bus=Bus(latency=latency), energy=False)
    points = []
    for case in cases:
        run = exact_run(case.network, case.inputs, config, options)
        predicted = predict(compile_network(case.network, config), case.inputs, latency=latency, dense=dense)
        for layer, one in zip(run.layers, predicted, strict=True):
            if (one.events, one.macs) != (layer.events, layer.counters["macs"]):
                raise CoreError(f"{case.network.name}, layer {layer.name!r}: the model counts other events or MACs than the core")
            error = one.cycles / layer.cycles - 1
            name = case.origin if case.network.name == "conv" else case.network.name
            points.append(
                ModelPoint(
                    network=name, layer=layer.name, kind=layer.kind, cycles=layer.cycles, predicted=one.cycles, error=error
                )
            )
    return ModelResult(
        config=config.to_dict(),
        dense=dense,
        latency=latency,
        seed=seed,
        items={point.network: len(case.inputs) for case, point in zip(cases, points, strict=False)},
        points=tuple(points),
        targets=error_targets([point.error for point in points], median=0.02, worst=0.05),
    )
