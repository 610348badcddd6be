"""Speed-up over the same core with zero-skipping turned off, by activation density."""

from dataclasses import dataclass, replace

from quiesce.bench.targets import Target, exact_run
from quiesce.sim.flow import RunOptions
from quiesce.sim.job import Bus
from quiesce.sim.synthetic import ConvSpec, draw_inputs
from quiesce.spec.config import CoreConfig

__all__ = ["DENSITIES", "LAYER", "DensityPoint", "DensityResult", "measure_density"]

DENSITIES = (1.0, 0.5, 0.3, 0.1, 0.05, 0.01)
LAYER = ConvSpec(cin=32, cout=32, kernel=3, size=32, pad=1)
_LIMITS = ((0.05, 0.95), (0.01, 0.85))
"""Densities from which on the share of the ideal has to reach a limit, the highest first."""


@dataclass(frozen=True, kw_only=True)
class DensityPoint:
    """One density.

    Parameters
    ----------
    density : float
        Nonzero share of the activations that ran.
    cycles, dense_cycles : float
        Of one item, without the load of weights before the first; event-driven and in dense mode.
    """

    density: float
    cycles: float
    dense_cycles: float
    speedup: float
    share_of_ideal: float
    """Speed-up x density."""
    target: Target


@dataclass(frozen=True, kw_only=True)
class DensityResult:
    config: dict[str, int]
    layer: ConvSpec
    latency: int
    seed: int
    items: int
    points: tuple[DensityPoint, ...]


def _point(density: float, cycles: float, dense_cycles: float) -> DensityPoint:
    speedup = dense_cycles / cycles
    limit = next((share for lowest, share in _LIMITS if density >= 0.999 * lowest), 0.0)
    share = speedup * density
    target = Target(name=f"share of ideal at {density:.3g}", value=share, limit=limit, at_least=True)
    return DensityPoint(
        density=density, cycles=cycles, dense_cycles=dense_cycles, speedup=speedup, share_of_ideal=share, target=target
    )


def measure_density(
    config: CoreConfig,
    *,
    layer: ConvSpec = LAYER,
    densities: tuple[float, ...] = DENSITIES,
    seed: int = 1,
    items: int = 2,
    latency: int = 32,
) -> DensityResult:
    """Run one random layer on activations at random places, event-driven and in dense mode.

    Parameters
    ----------
    densities : tuple of float
        Each above 0 and at most 1.
    items : int
        Inputs of each density that run after each other.

    Raises
    ------
    SimError, CompileError
        See ``cosim``.
    """
    network = layer.network(seed)
    options = RunOptions(bus=Bus(latency=latency), energy=False)
    points = []
    for density in densities:
        inputs = draw_inputs(network, density, seed, items)
        sparse, dense = (exact_run(network, inputs, config, replace(options, dense=dense)) for dense in (False, True))
        drawn = float((inputs != 0).mean())
        points.append(_point(drawn, sparse.cycles_per_item, dense.cycles_per_item))
    return DensityResult(config=config.to_dict(), layer=layer, latency=latency, seed=seed, items=items, points=tuple(points))
