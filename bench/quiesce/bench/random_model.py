"""The analytic cycle model beside the RTL on random networks, behind fast and slow memories."""

from collections.abc import Callable
from dataclasses import dataclass

from quiesce.bench.model import error_targets
from quiesce.bench.targets import Target
from quiesce.sim.cosimulation import cosim
from quiesce.sim.cycles.predict import predict
from quiesce.sim.errors import CoreError
from quiesce.sim.flow import RunOptions
from quiesce.sim.job import Bus
from quiesce.sim.soak.draws import seeded
from quiesce.sim.soak.networks import Limits, random_network
from quiesce.spec.config import CoreConfig
from quiesce.sw.compiler import CompileError, compile_network

__all__ = ["LATENCIES", "LEAST_CYCLES", "RandomPoint", "RandomResult", "validate_random"]

LATENCIES = (2, 32, 200)
"""Of the memory, cycles; each network has one of them."""
LEAST_CYCLES = 500
"""Layers of at most so many cycles do not count."""
_LIMITS = Limits(layers=4, cycles=30_000, images=2)


@dataclass(frozen=True, kw_only=True)
class RandomPoint:
    """One layer of the network that a seed draws: cycles of all items on the RTL and by the model, and the relative error."""

    seed: int
    latency: int
    cold: bool
    layer: str
    kind: str
    cycles: int
    predicted: int
    error: float


@dataclass(frozen=True, kw_only=True)
class RandomResult:
    """Validation over the layers that count; the targets are about the magnitude of the error.

    Members
    -------
    networks, refused : networks drawn, and those of them that the compiler refuses
    """

    config: dict[str, int]
    seed: int
    networks: int
    refused: int
    points: tuple[RandomPoint, ...]
    targets: tuple[Target, ...]


def _points(config: CoreConfig, seed: int) -> list[RandomPoint]:
    """The layers of a seed."""
    draws = seeded((seed, 2))
    latency, cold = draws.choice(LATENCIES), draws.chance(15)
    network, inputs = random_network(draws, config, _LIMITS, winners=False)
    program = compile_network(network, config, cold=cold)
    options = RunOptions(cold=cold, bus=Bus(latency=latency), energy=False, simulator="loop")
    run = cosim(network, inputs, config=config, options=options)
    if not run.bit_exact:
        raise CoreError(f"seed {seed}: differs from the integer reference: {run.mismatch}")
    points = []
    for layer, one in zip(run.layers, predict(program, inputs, latency=latency), strict=True):
        if (one.events, one.macs) != (layer.events, layer.counters["macs"]):
            raise CoreError(f"seed {seed}, layer {layer.name!r}: the model counts other events or MACs than the core")
        if layer.cycles > LEAST_CYCLES:
            points.append(
                RandomPoint(
                    seed=seed, latency=latency, cold=cold, layer=layer.name, kind=layer.kind, cycles=layer.cycles,
                    predicted=one.cycles, error=one.cycles / layer.cycles - 1,
                )
            )  # fmt: skip
    return points


def validate_random(
    config: CoreConfig, n_networks: int, seed: int, *, progress: Callable[[int], None] = lambda done: None
) -> RandomResult:
    """Predict and co-simulate the networks of ``n_networks`` seeds, ``seed`` the first.

    Parameters
    ----------
    progress : callable, optional
        Called with the number of networks done.

    Raises
    ------
    CoreError
        A network does not run bit for bit, or the model counts other events or MACs than the core.
    SimError
        See ``cosim``.
    """
    points: list[RandomPoint] = []
    refused = 0
    for index in range(n_networks):
        try:
            points += _points(config, seed + index)
        except CompileError:
            refused += 1
        progress(index + 1)
    return RandomResult(
        config=config.to_dict(),
        seed=seed,
        networks=n_networks,
        refused=refused,
        points=tuple(points),
        targets=error_targets([point.error for point in points], median=0.01, worst=0.05),
    )
