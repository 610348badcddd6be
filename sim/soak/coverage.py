"""Coverage of a soak: corner cases, settings of passes that meet, lines and toggles of the Verilog, on builds of their own."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib

from quiesce.sim.build import Simulator, build_simulator
from quiesce.sim.core import core_text
from quiesce.sim.job import Bus, Job, Phase, run_job
from quiesce.sim.placement import place, program_memory, program_script
from quiesce.sim.soak.campaign import core_for
from quiesce.sim.soak.case import WATCHDOG, Case, case_of
from quiesce.sim.soak.covers import Cover, cover_text
from quiesce.sim.soak.networks import Limits
from quiesce.sim.soak.settings import met_pairs, possible_pairs
from quiesce.sw import reference
from quiesce.sw.compiler import CompileError, compile_network
from quiesce.sw.config import CoreConfig

__all__ = ["Coverage", "ModulePoints", "measure_coverage", "read_points"]

Points = Counter[tuple[str, str, str]]
"""Hits by (kind, module, point); kind is "line", "branch", "toggle" or "user"."""
_LIMIT = 1 << 26
"""Cycles of a run, far beyond any case."""


@dataclass(frozen=True, kw_only=True)
class ModulePoints:
    """Points of a module of a kind: how many were hit, and the names of those that were not."""

    kind: str
    module: str
    hit: int
    missed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """What a core went through.

    Attributes
    ----------
    core : str
    networks : int
        That ran.
    covers : dict of str to int
        Networks in which each corner case occurred.
    pairs : dict of (str, str) to int
        How often a setting of a pass met one of the next.
    unmet : tuple of (str, str)
        Pairs that never did.
    modules : tuple of ModulePoints
    """

    core: str
    networks: int
    covers: Mapping[str, int]
    pairs: Mapping[tuple[str, str], int]
    unmet: tuple[tuple[str, str], ...]
    modules: tuple[ModulePoints, ...]

    def share(self, *kinds: str) -> float:
        """Points of these kinds that were hit, 0..1."""
        chosen = [one for one in self.modules if one.kind in kinds]
        hit = sum(one.hit for one in chosen)
        return hit / max(1, hit + sum(len(one.missed) for one in chosen))

    def to_dict(self) -> dict[str, object]:
        """For JSON: all fields, pairs as texts."""
        pairs = {f"{before}, then {after}": count for (before, after), count in sorted(self.pairs.items())}
        unmet = [f"{before}, then {after}" for before, after in self.unmet]
        return asdict(self) | {"pairs": pairs, "unmet": unmet}


def read_points(path: Path) -> Points:
    """Hits in a coverage file of Verilator."""
    points: Points = Counter()
    for line in path.read_bytes().split(b"\n"):
        if not line.startswith(b"C '"):
            continue
        text, _, count = line[3:].rpartition(b"' ")
        fields = dict(part.split(b"\x02", 1) for part in text.split(b"\x01")[1:])
        kind, _, module = fields[b"page"].decode().removeprefix("v_").partition("/")
        point = b":".join(fields.get(name, b"") for name in (b"l", b"o"))
        points[kind, module, point.decode()] += int(count)
    return points


def _job(case: Case, config: CoreConfig) -> tuple[Job, Counter[tuple[str, str]]]:
    """The run of a case, and what settings meet in it."""
    options, n_items = case.options, len(case.inputs)
    calibration = options.get("calibration")
    events = None if calibration is None else reference.channel_events(case.network, calibration)
    program = compile_network(case.network, config, events=events, cold=options["cold"])
    placement = place(program, config, n_items)
    script = program_script(program, placement, n_items, dense=options["dense"], watchdog=WATCHDOG)
    bus = Bus(**{name: options[name] for name in ("latency", "gap", "stall", "seed")})
    phase = Phase(script=script.encode(), limit=_LIMIT)
    return Job(program_memory(program, placement, case.inputs), [phase], bus), met_pairs(program)


def _measure(name: str, config: CoreConfig, seeds: Iterable[int], limits: Limits) -> Coverage:
    """Run the cases of a core that it does not refuse."""
    verilog = core_text(config).verilog
    text, possible = cover_text(verilog)
    simulator = build_simulator(verilog, main="loop", covers=text)
    points: Points = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    covered: Counter[str] = Counter(dict.fromkeys((cover.name for cover in possible), 0))
    n_networks = 0
    for seed in seeds:
        try:
            job, met = _job(case_of(seed, config, limits), config)
        except CompileError:
            continue
        found = _run(simulator, job)
        n_networks += 1
        points.update(found)
        pairs.update(met)
        covered.update(_occurred(found, possible))
    return Coverage(
        core=name, networks=n_networks, covers=covered, pairs=pairs, unmet=tuple(sorted(possible_pairs(config) - set(pairs))),
        modules=tuple(_by_module(points)),
    )  # fmt: skip


def _run(simulator: Simulator, job: Job) -> Points:
    with TemporaryDirectory(prefix="quiesce-") as folder:
        run_job(simulator, job, Path(folder))
        return read_points(Path(folder) / "coverage.dat")


def _occurred(points: Points, possible: Sequence[Cover]) -> list[str]:
    """Names of the corner cases with hits; the properties stand in the order of ``possible``, one a line."""
    lines = {int(point.partition(":")[0]): hits for (kind, _, point), hits in points.items() if kind == "user"}
    return [cover.name for number, cover in enumerate(possible, 1) if lines.get(number)]


def _by_module(points: Points) -> Iterable[ModulePoints]:
    hit: Counter[tuple[str, str]] = Counter()
    missed: dict[tuple[str, str], list[str]] = {}
    for (kind, module, point), hits in sorted(points.items()):
        if kind != "user":
            hit[kind, module] += hits > 0
            missed.setdefault((kind, module), []).extend([] if hits else [point])
    for (kind, module), places in missed.items():
        yield ModulePoints(kind=kind, module=module, hit=hit[kind, module], missed=tuple(places))


def measure_coverage(
    seeds: Iterable[int], cores: Mapping[str, CoreConfig], *, limits: Limits | None = None, jobs: int | None = None
) -> list[Coverage]:
    """Run the cases of a soak on simulators that count what occurs; each core is a job for joblib.

    Parameters are those of ``soak``. Results are not compared with the reference.

    Raises
    ------
    SimError, CoreError
        A simulator does not build, or a case does not run to its end.
    """
    names = tuple(cores)
    by_core: dict[str, list[int]] = {name: [] for name in names}
    for seed in seeds:
        by_core[core_for(seed, names)].append(seed)
    work = (joblib.delayed(_measure)(name, cores[name], some, limits or Limits()) for name, some in by_core.items() if some)
    return list(joblib.Parallel(n_jobs=jobs)(work))
