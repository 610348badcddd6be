"""Design space: one network on many cores, simulated side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import joblib
import numpy as np
import numpy.typing as npt

from quiesce.bench.targets import BenchCase, exact_run
from quiesce.sim.energy.summary import EnergySummary
from quiesce.sim.energy.table import load_table
from quiesce.sim.errors import SimError
from quiesce.sim.flow import RunOptions
from quiesce.sim.job import Bus
from quiesce.spec.config import CoreConfig
from quiesce.sw.format.network import Network

__all__ = ["Axes", "Gates", "SpacePoint", "SpaceResult", "measure_space", "prune_blocks"]


@dataclass(frozen=True, kw_only=True)
class Axes:
    """What varies; every combination is a point.

    Parameters
    ----------
    n_pes, n_lanes, event_fifo_depth : tuple of int
        Fields of the core.
    block : tuple of int
        Consecutive output channels whose weights are pruned together.
    """

    n_pes: tuple[int, ...]
    n_lanes: tuple[int, ...]
    event_fifo_depth: tuple[int, ...]
    block: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Gates:
    """What synthesis says of a core: um2 without RAMs, mW of leakage, ns of the slowest path."""

    area: float
    leakage_mw: float
    period_ns: float


@dataclass(frozen=True, kw_only=True)
class SpacePoint:
    """One core with one pruning.

    Parameters
    ----------
    weight_density : float
        Nonzero share of all weights.
    cycles : float
        Of one item.
    lane_utilisation : float
    energy : EnergySummary
    gates : Gates or None
        None if it was not synthesised.
    """

    n_pes: int
    n_lanes: int
    event_fifo_depth: int
    block: int
    weight_density: float
    cycles: float
    lane_utilisation: float
    energy: EnergySummary
    gates: Gates | None


@dataclass(frozen=True, kw_only=True)
class SpaceResult:
    network: str
    inputs: str
    items: int
    config: dict[str, int]
    sparsity: float
    latency: int
    points: tuple[SpacePoint, ...]


def prune_blocks(network: Network, sparsity: float, block: int) -> Network:
    """The network without the smallest ``sparsity`` of its weights, in blocks of output channels, and not trained again.

    A block is ``block`` consecutive output channels with equal other indices; blocks of a layer go by their root mean square,
    until the share is reached. Cycles and energy of the result count, not its accuracy.

    Raises
    ------
    SimError
        A sparsity outside 0..1 or a block below 1.
    """
    if not 0 <= sparsity < 1 or block < 1:
        raise SimError(f"pruning: sparsity {sparsity} and block {block} are not in 0..1 and from 1 on")
    layers = (
        layer if layer.weight is None else replace(layer, weight=_pruned(layer.weight, sparsity, block))
        for layer in network.layers
    )
    return replace(network, layers=tuple(layers))


def _pruned(weight: npt.NDArray[np.int8], sparsity: float, block: int) -> npt.NDArray[np.int8]:
    starts = np.arange(0, len(weight), block)
    squares = np.square(weight.astype(np.float64))
    sizes = np.diff([*starts, len(weight)]).reshape(-1, *[1] * (weight.ndim - 1))
    magnitudes = np.repeat(np.add.reduceat(squares, starts, axis=0) / sizes, sizes.ravel(), axis=0)
    # Whole blocks in the order of their magnitudes; those of equal magnitude by their places.
    blocks = np.broadcast_to(np.repeat(np.arange(len(starts)), sizes.ravel()).reshape(-1, *[1] * (weight.ndim - 1)), weight.shape)
    order = np.lexsort((blocks.ravel(), magnitudes.ravel()))
    kept = np.ones(weight.size, bool)
    kept[order[: round(sparsity * weight.size)]] = False
    whole = np.logical_or.reduceat(kept.reshape(weight.shape), starts, axis=0)
    return np.where(np.repeat(whole, sizes.ravel(), axis=0), weight, 0).astype(np.int8)


def _synthesized(config: CoreConfig) -> Gates:
    from quiesce.sim.gates.analysis.area import area_report
    from quiesce.sim.gates.analysis.flat import flatten
    from quiesce.sim.gates.analysis.timing import analyse_timing
    from quiesce.sim.gates.liberty.reader import default_liberty, read_library
    from quiesce.sim.gates.synth.core_netlist import synthesize_core
    from quiesce.sim.gates.synth.synthesis import SynthesisOptions

    library = read_library(default_liberty())
    done = synthesize_core(config, library, "quiesce", SynthesisOptions())
    total = area_report(done, library, load_table()).total
    timing = analyse_timing(flatten(done.netlist, library, done.rams))
    return Gates(area=total.area, leakage_mw=total.leakage_nw / 1e6, period_ns=timing.period_ns)


def _point(case: BenchCase, config: CoreConfig, block: int, sparsity: float, latency: int, gates: bool) -> SpacePoint:
    network = prune_blocks(case.network, sparsity, block)
    run = exact_run(network, case.inputs, config, RunOptions(bus=Bus(latency=latency)))
    weights = [layer.weight for layer in network.layers if layer.weight is not None]
    summary = run.energy_summary
    assert summary is not None
    return SpacePoint(
        n_pes=config.n_pes, n_lanes=config.n_lanes, event_fifo_depth=config.event_fifo_depth, block=block,
        weight_density=sum(map(np.count_nonzero, weights)) / sum(weight.size for weight in weights), cycles=run.cycles_per_item,
        lane_utilisation=run.totals["lane_utilisation"], energy=summary, gates=_synthesized(config) if gates else None,
    )  # fmt: skip


def _cores(config: CoreConfig, axes: Axes) -> Iterator[tuple[CoreConfig, int]]:
    for n_pes, n_lanes, depth, block in product(axes.n_pes, axes.n_lanes, axes.event_fifo_depth, axes.block):
        yield replace(config, n_pes=n_pes, n_lanes=n_lanes, event_fifo_depth=depth), block


def measure_space(
    case: BenchCase, config: CoreConfig, axes: Axes, *, sparsity: float = 0.0, latency: int = 32, gates: bool = False,
    jobs: int | None = None,
) -> SpaceResult:  # fmt: skip
    """Run the network on every core of the space.

    The points are independent jobs for joblib: they run on the local processors, or wherever ``joblib.parallel_config`` says that
    surrounds the call, such as on a Dask cluster, whose workers need the package and a compiler.

    Parameters
    ----------
    sparsity : float
        Share of the weights to prune, 0..1; see ``prune_blocks``.
    gates : bool
        Synthesise each core, too, with the default library: minutes each.
    jobs : int, optional
        At the same time; by default as the configuration of joblib says, which is one without any.

    Raises
    ------
    ConfigError
        A core of the space that cannot be built; nothing has run then.
    CoreError
        A run differs from the reference.
    SimError, CompileError, FormatError, GateError
        See ``cosim`` and ``synthesize_core``.
    """
    cores: Sequence[tuple[CoreConfig, int]] = list(_cores(config, axes))
    one = joblib.delayed(_point)
    points = joblib.Parallel(n_jobs=jobs)(one(case, core, block, sparsity, latency, gates) for core, block in cores)
    return SpaceResult(
        network=case.network.name, inputs=case.origin, items=len(case.inputs), config=config.to_dict(), sparsity=sparsity,
        latency=latency, points=tuple(points),
    )  # fmt: skip
