"""Speed-up of several cores over one, on one layer."""

from dataclasses import dataclass, replace

from quiesce.bench.targets import exact_run
from quiesce.sim.flow import RunOptions
from quiesce.sim.job import Bus
from quiesce.sim.synthetic import ConvSpec, draw_inputs
from quiesce.spec.config import CoreConfig

__all__ = ["CORES", "LAYER", "ScalingPoint", "ScalingResult", "measure_scaling"]

CORES = (1, 2, 4, 8)
LAYER = ConvSpec(cin=32, cout=32, kernel=3, size=32, pad=1)


@dataclass(frozen=True, kw_only=True)
class ScalingPoint:
    """One number of cores.

    Parameters
    ----------
    cycles : float
        Of one item, without the load of weights before the first.
    speedup : float
        Over one core.
    efficiency : float
        Speed-up / cores.
    lane_utilisation : float
        effectual MACs / (lanes of all cores x cycles).
    beats_per_cycle : float
        Activations read, of all cores: at most 1.
    """

    n_cores: int
    cycles: float
    speedup: float
    efficiency: float
    lane_utilisation: float
    beats_per_cycle: float


@dataclass(frozen=True, kw_only=True)
class ScalingResult:
    config: dict[str, int]
    layer: ConvSpec
    density: float
    latency: int
    seed: int
    items: int
    points: tuple[ScalingPoint, ...]


def measure_scaling(
    config: CoreConfig,
    *,
    layer: ConvSpec = LAYER,
    cores: tuple[int, ...] = CORES,
    density: float = 0.3,
    seed: int = 1,
    items: int = 2,
    latency: int = 32,
) -> ScalingResult:
    """Run one random layer on random activations with different numbers of cores of a configuration.

    Parameters
    ----------
    cores : tuple of int
        The first is what the speed-ups are over, per core.
    density : float
        Nonzero share of the activations.
    items : int
        Inputs that run after each other.

    Raises
    ------
    SimError, CompileError
        See ``cosim``.
    """
    network = layer.network(seed)
    inputs = draw_inputs(network, density, seed, items)
    options = RunOptions(bus=Bus(latency=latency), energy=False)
    points: list[ScalingPoint] = []
    for n_cores in cores:
        run = exact_run(network, inputs, replace(config, n_cores=n_cores), options)
        cycles = run.cycles_per_item
        one_core = points[0].cycles * points[0].n_cores if points else cycles * n_cores
        points.append(
            ScalingPoint(
                n_cores=n_cores,
                cycles=cycles,
                speedup=one_core / cycles,
                efficiency=one_core / cycles / n_cores,
                lane_utilisation=run.totals["lane_utilisation"],
                beats_per_cycle=sum(one.counters["beats_read"] for one in run.layers) / (cycles * items),
            )
        )
    return ScalingResult(
        config=config.to_dict(), layer=layer, density=density, latency=latency, seed=seed, items=items, points=tuple(points)
    )
