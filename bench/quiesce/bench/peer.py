"""The same layers as a dense engine with as many multipliers, end to end."""

from dataclasses import dataclass

from quiesce.bench.targets import Target, exact_run
from quiesce.sim.flow import RunOptions
from quiesce.sim.job import Bus
from quiesce.sim.synthetic import ConvSpec, draw_inputs
from quiesce.spec.config import CoreConfig

__all__ = ["DENSITIES", "LATENCY", "LAYERS", "PEER", "PeerLayer", "PeerPoint", "PeerResult", "measure_peer"]

PEER = "a well-built open dense engine of 128 int8 MACs, with its DMA, memory of 160 bits per cycle, latency 100"
"""What the constants in ``LAYERS`` were measured on."""
LATENCY = 100
DENSITIES = (1.0, 0.3, 0.1)
_LIMITS = {1.0: 1.0, 0.3: 2.8}
"""Wanted quotient of the dense engine's cycles and ours, by activation density."""


@dataclass(frozen=True, kw_only=True)
class PeerLayer:
    """A valid convolution and the dense engine's cycles for it, which do not depend on the density."""

    layer: ConvSpec
    cycles: int


LAYERS = (
    PeerLayer(layer=ConvSpec(cin=16, cout=32, kernel=3, size=16), cycles=12_350),
    PeerLayer(layer=ConvSpec(cin=32, cout=32, kernel=3, size=32), cycles=80_971),
    PeerLayer(layer=ConvSpec(cin=64, cout=64, kernel=3, size=8), cycles=20_540),
    PeerLayer(layer=ConvSpec(cin=64, cout=64, kernel=1, size=16), cycles=33_310),
    PeerLayer(layer=ConvSpec(cin=3, cout=32, kernel=3, size=32), cycles=37_144),
)


@dataclass(frozen=True, kw_only=True)
class PeerPoint:
    """One layer at one density.

    Parameters
    ----------
    cycles : int
        From the start of the core to its interrupt for a single item, nothing on chip before.
    peer_cycles : int
        The dense engine's.
    speedup : float
        Their quotient.
    lane_utilisation : float
        effectual MACs / (lanes x cycles), all those cycles counted.
    """

    layer: str
    density: float
    cycles: int
    peer_cycles: int
    speedup: float
    lane_utilisation: float
    target: Target | None


@dataclass(frozen=True, kw_only=True)
class PeerResult:
    config: dict[str, int]
    lanes: int
    latency: int
    seed: int
    peer: str
    points: tuple[PeerPoint, ...]


def measure_peer(
    config: CoreConfig,
    *,
    layers: tuple[PeerLayer, ...] = LAYERS,
    densities: tuple[float, ...] = DENSITIES,
    latency: int = LATENCY,
    seed: int = 1,
) -> PeerResult:
    """Run each layer, dense weights, on one random input of each density.

    Raises
    ------
    SimError, CompileError
        See ``cosim``.
    """
    options = RunOptions(bus=Bus(latency=latency), cold=True, energy=False)
    points = []
    for entry in layers:
        network = entry.layer.network(seed)
        for density in densities:
            run = exact_run(network, draw_inputs(network, density, seed), config, options)
            speedup = entry.cycles / run.cycles
            limit = _LIMITS.get(density)
            name = f"{entry.layer.name} at {density:.3g}"
            points.append(
                PeerPoint(
                    layer=entry.layer.name,
                    density=density,
                    cycles=run.cycles,
                    peer_cycles=entry.cycles,
                    speedup=speedup,
                    lane_utilisation=sum(one.effectual_macs for one in run.layers) / (config.total_lanes * run.cycles),
                    target=None if limit is None else Target(name=name, value=speedup, limit=limit, at_least=True),
                )
            )
    return PeerResult(
        config=config.to_dict(), lanes=config.total_lanes, latency=latency, seed=seed, peer=PEER, points=tuple(points)
    )
