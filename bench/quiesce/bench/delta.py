"""Temporal sparsity: networks on streams, what they compute and what the core takes for it, and where it does not pay."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quiesce.bench.targets import Target, exact_run, ratio
from quiesce.sim.errors import CoreError
from quiesce.sim.flow import RunOptions
from quiesce.sim.job import Bus
from quiesce.sim.result import Run
from quiesce.sim.stream import stream
from quiesce.sim.stream_run import StreamRun, mean_figures
from quiesce.spec.config import CoreConfig
from quiesce.sw.data.streams import FrameStream
from quiesce.sw.format.network import Network

__all__ = [
    "TASKS", "OnCore", "DeltaNetwork", "DeltaResult", "Figures", "Scene", "SweepPoint", "Task", "measure_delta",
]  # fmt: skip

Acts = npt.NDArray[np.int8]

FULL_FRAMES = 32
"""Frames that run each for itself, from all over the stream."""
TOGETHER = 50
"""Frames of a stream that are handed over at once."""
SHARES = (0.0, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
"""Of the pixels of a frame that change."""
_SCENE_SEED = 1


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is asked of the networks of a data set, by their roles.

    Parameters
    ----------
    networks : mapping of str to str
        Role to name: "ReLU", the baseline; "l1", spatial sparsity alone; "delta", temporal sparsity alone; "delta + l1", both;
        "thresholds", the baseline with these, not trained.
    macs : float
        By which both should be below spatial sparsity alone, in effectual MACs.
    untrained_macs : float or None
        By which thresholds should be below the baseline.
    """

    networks: Mapping[str, str]
    macs: float
    untrained_macs: float | None


def _named(task: str) -> dict[str, str]:
    endings = {"ReLU": "relu", "l1": "l1", "delta": "delta", "delta + l1": "delta-l1", "thresholds": "thresholds"}
    return {role: f"{task}-{ending}" for role, ending in endings.items()}


TASKS = {
    "video": Task(networks=_named("asl"), macs=6.0, untrained_macs=4.0),
    "audio": Task(networks=_named("fsdd"), macs=3.0, untrained_macs=None),
}
_LOST = 0.01
"""Accuracy that may be lost against the baseline."""
_KEPT = 0.8
"""Of the ratio of MACs that cycles and energy should show."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Of a frame: effectual MACs, cycles, and energy, None if it was not measured."""

    effectual_macs: float
    cycles: float
    energy_pj: float | None


@dataclass(frozen=True, kw_only=True)
class OnCore:
    """On the RTL, each frame bit-exact; means.

    Parameters
    ----------
    frames : int
        Of the stream.
    full : Figures
        Of some of the frames, each for itself.
    stream : Figures
        Of the frames as a stream, the first one left out, many of them handed over at once as those for themselves are.
    single : Figures
        The same, each frame handed over and waited for alone.
    first : Figures
        Of the frame that begins the stream.
    clean_rows, state_bytes : float
        Output rows that no change reached; bytes of state read and written.
    """

    frames: int
    full: Figures
    stream: Figures
    single: Figures
    first: Figures
    clean_rows: float
    state_bytes: float


@dataclass(frozen=True, kw_only=True)
class DeltaNetwork:
    """A network of a task.

    Parameters
    ----------
    accuracy : float
        As a stream, on all test frames but the first ones of streams; from the integer reference, as the next three.
    full_macs, stream_macs : float
        Effectual MACs of a frame, for itself and as part of a stream.
    density : float
        Share of the activations that changes, of all layers' inputs.
    core : OnCore
    """

    role: str
    name: str
    accuracy: float
    full_macs: float
    stream_macs: float
    density: float
    core: OnCore


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a frame takes after another that stood still, beside what it takes for itself."""

    name: str
    changing: float
    stream: Figures
    full: Figures


@dataclass(frozen=True, kw_only=True)
class SweepPoint:
    """A frame of which a share of the pixels has changed, scattered or as a block of columns."""

    share: float
    scattered: float
    block: float


@dataclass(frozen=True, kw_only=True)
class DeltaResult:
    """
    Parameters
    ----------
    scenes, sweep
        Of the network with both kinds of sparsity; in the sweep, cycles over those of the frame for itself.
    break_even : dict of str to float or None
        Share of changing pixels at which the stream takes as many cycles, by kind; None if it never does.
    """

    task: str
    config: dict[str, int]
    latency: int
    inputs: str
    networks: tuple[DeltaNetwork, ...]
    scenes: tuple[Scene, ...]
    sweep: tuple[SweepPoint, ...]
    break_even: dict[str, float | None]
    targets: tuple[Target, ...]


def measure_delta(
    name: str,
    networks: Mapping[str, Network],
    frames: FrameStream,
    config: CoreConfig,
    *,
    n_frames: int = 300,
    latency: int = 32,
    progress: Callable[[str], None] | None = None,
) -> DeltaResult:
    """Measure the networks of a task, by role, on streams of test frames with labels.

    Parameters
    ----------
    n_frames : int
        That run on the RTL, of the first stream.
    progress : callable, optional
        Called with what is measured next.

    Raises
    ------
    CoreError
        Something differs from the integer reference; or see ``Stream.push``.
    CompileError, FormatError, SimError
        See ``stream`` and ``cosim``.
    """
    task, say = TASKS[name], progress or (lambda _: None)
    options = RunOptions(bus=Bus(latency=latency), simulator="loop")
    measured = []
    for role, network in networks.items():
        say(network.name)
        measured.append(_measure(role, network, frames, config, options, n_frames))
    both = networks["delta + l1"]
    say("scenes")
    middle = int(np.argmax(np.flatnonzero(~frames.starts) >= 16)) + 1
    scenes = tuple(_scenes(both, frames, middle, config, options))
    say("share of changing pixels")
    sweep = tuple(_sweep(both, frames.acts[middle], config, options))
    return DeltaResult(
        task=name,
        config=config.to_dict(),
        latency=latency,
        inputs=frames.origin,
        networks=tuple(measured),
        scenes=scenes,
        sweep=sweep,
        break_even={kind: _break_even(sweep, kind) for kind in ("scattered", "block")},
        targets=tuple(_targets(task, {one.role: one for one in measured})),
    )


def _measure(
    role: str, network: Network, frames: FrameStream, config: CoreConfig, options: RunOptions, n_frames: int
) -> DeltaNetwork:
    from quiesce.sw.sparsity.statistics import statistics
    from quiesce.sw.sparsity.temporal import temporal_statistics

    streams = frames.streams()
    labels = None if frames.labels is None else frames.labels.astype(np.uint8)
    changing = temporal_statistics(network, frames.acts, labels, streams)
    alone = statistics(network, frames.acts[~frames.starts])
    sizes = [of.events / of.density if of.density else 0.0 for of in changing.layers]
    return DeltaNetwork(
        role=role, name=network.name, accuracy=changing.accuracy or 0.0, full_macs=alone.effectual_macs,
        stream_macs=changing.effectual_macs, density=changing.events / max(1.0, sum(sizes)),
        core=_on_core(network, frames.first(min(n_frames, streams[0].stop)), config, options),
    )  # fmt: skip


def _exact_stream(
    network: Network, frames: Sequence[Acts] | Acts, config: CoreConfig, options: RunOptions,
    starts: npt.NDArray[np.bool_] | None = None,
) -> StreamRun:  # fmt: skip
    with stream(network, config, options=options) as core:
        run = core.run(frames, starts=starts)
    for frame in run.frames:
        if not frame.run.bit_exact:
            raise CoreError(f"network {network.name!r}, frame {frame.index}: differs from the reference: {frame.run.mismatch}")
    return run


def _on_core(network: Network, frames: FrameStream, config: CoreConfig, options: RunOptions) -> OnCore:
    run = _exact_stream(network, frames.acts, config, options, frames.starts)
    spread = np.linspace(1, len(frames) - 1, min(FULL_FRAMES, len(frames) - 1)).astype(int)
    full = exact_run(network, frames.acts[spread], config, options)
    mean = mean_figures(run.later)
    return OnCore(
        frames=len(run.frames),
        full=_of_run(full),
        stream=_together(network, frames, config, options),
        single=_figures(mean),
        first=_of_run(run.frames[0].run),
        clean_rows=mean["clean_rows"] or 0.0,
        state_bytes=mean["state_bytes"] or 0.0,
    )


def _together(network: Network, frames: FrameStream, config: CoreConfig, options: RunOptions) -> Figures:
    """Of all frames but the first one, many at once; they have to be of one stream."""
    runs: list[Run] = []
    with stream(network, config, options=options, most=TOGETHER) as core:
        core.push(frames.acts[0])
        for first in range(1, len(frames), TOGETHER):
            runs.append(core.push_together(frames.acts[first : first + TOGETHER]))
            if not runs[-1].bit_exact:
                raise CoreError(f"network {network.name!r}: differs from the reference: {runs[-1].mismatch}")
    items = np.array([run.items for run in runs]) / sum(run.items for run in runs)

    def mean(values: list[float]) -> float:
        return float(np.dot(values, items))

    return Figures(
        effectual_macs=mean([run.totals["effectual_macs"] for run in runs]),
        cycles=mean([run.cycles_per_item for run in runs]),
        energy_pj=mean([run.energy_pj_per_item or 0.0 for run in runs]),
    )


def _figures(mean: Mapping[str, float | None]) -> Figures:
    return Figures(effectual_macs=mean["effectual_macs"] or 0.0, cycles=mean["cycles"] or 0.0, energy_pj=mean["energy_pj"])


def _of_run(run: Run) -> Figures:
    return Figures(effectual_macs=run.totals["effectual_macs"], cycles=run.cycles_per_item, energy_pj=run.energy_pj_per_item)


def _scenes(network: Network, frames: FrameStream, at: int, config: CoreConfig, options: RunOptions) -> Iterator[Scene]:
    """The frame ``at``, and then something else."""
    rng = np.random.default_rng(_SCENE_SEED)
    frame, spec = frames.acts[at], network.input
    labels = frames.labels if frames.labels is not None else np.zeros(len(frames), int)
    other = int(np.argmax(labels != labels[at]))
    scenes = {
        "nothing changes": frame,
        "the next frame": frames.acts[at + 1],
        "camera shift by one pixel": np.roll(frame, 1, axis=1),
        "all pixels brighter by a tenth": np.clip(frame + (spec.high - spec.low) // 10, spec.low, spec.high).astype(np.int8),
        "scene cut": frames.acts[other],
        "all pixels at random": rng.integers(spec.low, spec.high + 1, spec.shape).astype(np.int8),
    }
    for name, then in scenes.items():
        run = _exact_stream(network, [frame, then], config, options)
        full = exact_run(network, then[None], config, options)
        changing = float(np.mean((frame != then).any(axis=2)))
        yield Scene(name=name, changing=changing, stream=_of_run(run.frames[1].run), full=_of_run(full))


def _sweep(network: Network, frame: Acts, config: CoreConfig, options: RunOptions) -> Iterator[SweepPoint]:
    rng = np.random.default_rng(_SCENE_SEED)
    spec = network.input
    quick = RunOptions(bus=options.bus, energy=False, simulator="loop")
    noise = rng.integers(spec.low, spec.high + 1, spec.shape).astype(np.int8)
    order = rng.permutation(spec.height * spec.width).reshape(spec.height, spec.width)
    columns = np.broadcast_to(np.arange(spec.width) * spec.height, order.shape)
    for share in SHARES:
        cycles = []
        for ranks in (order, columns):
            changed = np.where((ranks < share * order.size)[..., None], noise, frame)
            run = _exact_stream(network, [frame, changed], config, quick)
            full = exact_run(network, changed[None], config, quick)
            cycles.append(run.frames[1].cycles / full.cycles_per_item)
        yield SweepPoint(share=share, scattered=cycles[0], block=cycles[1])


def _break_even(sweep: Sequence[SweepPoint], kind: str) -> float | None:
    """Where the cycles of the stream first exceed those of frames for themselves, on straight lines between the points."""
    points = [(point.share, getattr(point, kind)) for point in sweep]
    for (low, below), (high, above) in zip(points, points[1:], strict=False):
        if below <= 1 < above:
            return float(low + (high - low) * (1 - below) / (above - below))
    return None


def _targets(task: Task, networks: Mapping[str, DeltaNetwork]) -> Iterator[Target]:
    base, spatial, both, untrained = (networks[role] for role in ("ReLU", "l1", "delta + l1", "thresholds"))

    def at_least(name: str, value: float | None, limit: float) -> Target:
        return Target(name=name, value=value, limit=limit, at_least=True)

    yield at_least("effectual MACs, l1 / delta + l1", ratio(spatial.full_macs, both.stream_macs), task.macs)
    yield at_least("accuracy of delta + l1 - that of ReLU", both.accuracy - base.accuracy, -_LOST)
    if task.untrained_macs is not None:
        yield at_least(
            "effectual MACs, in full / thresholds only", ratio(base.full_macs, untrained.stream_macs), task.untrained_macs
        )
        yield at_least("accuracy of thresholds only - that of ReLU", untrained.accuracy - base.accuracy, -_LOST)
    for what, pair in (("delta + l1", (spatial, both)), ("thresholds only", (base, untrained))):
        full, now = pair[0].core.full, pair[1].core.stream
        macs = ratio(full.effectual_macs, now.effectual_macs)
        cycles = ratio(full.cycles, now.cycles)
        energy = ratio(full.energy_pj or 0.0, now.energy_pj or 0.0)
        yield at_least(f"ratio of cycles / ratio of MACs, {what}", cycles / macs if cycles and macs else None, _KEPT)
        yield at_least(f"ratio of energy / ratio of MACs, {what}", energy / macs if energy and macs else None, _KEPT)
