"""Coverage of a soak: corner cases, lines and toggles of the Verilog, on builds of their own."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import numpy as np
import numpy.typing as npt

from quiesce.sim.build import Simulator, build_simulator
from quiesce.sim.core_text import core_text
from quiesce.sim.job import Job, run_job
from quiesce.sim.soak.campaign import seeds_by_core
from quiesce.sim.soak.case import case_of
from quiesce.sim.soak.covers import cover_text
from quiesce.sim.soak.directed import directed_cases
from quiesce.sim.soak.networks import Limits
from quiesce.spec.config import CoreConfig
from quiesce.sw.compiler import CompileError

__all__ = ["Coverage", "ModulePoints", "measure_coverage", "point_of", "read_hits"]

Hits = npt.NDArray[np.int64]
_STARTED = "if (start_) begin end"
"""What makes tools evaluate a process at time zero (`quiesce.rtl.verilog.emit.evaluate_at_start`): never true, and no branch."""


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
    modules : tuple of ModulePoints
    """

    core: str
    networks: int
    covers: Mapping[str, int]
    modules: tuple[ModulePoints, ...]

    def share(self, *kinds: str) -> float:
        """Points of these kinds that were hit, 0..1."""
        chosen = [one for one in self.modules if one.kind in kinds]
        hit = sum(one.hit for one in chosen)
        return hit / max(1, hit + sum(len(one.missed) for one in chosen))


def read_hits(path: Path) -> tuple[list[bytes], Hits]:
    """Names and hits of all points in a coverage file of Verilator; those of one simulator list the same in the same order."""
    parts = [line[3:].rpartition(b"' ") for line in path.read_bytes().split(b"\n") if line.startswith(b"C '")]
    return [name for name, _, _ in parts], np.array([int(count) for _, _, count in parts], np.int64)


def point_of(name: bytes) -> tuple[str, str, str]:
    """Kind ("line", "branch", "toggle" or "user"), module and spot (line and what is there) of a point; no instance."""
    fields = dict(part.split(b"\x02", 1) for part in name.split(b"\x01")[1:])
    kind, _, module = fields[b"page"].decode().removeprefix("v_").partition("/")
    return kind, module, b":".join(fields.get(field, b"") for field in (b"l", b"o")).decode()


def _measure(name: str, config: CoreConfig, seeds: Iterable[int], limits: Limits) -> Coverage:
    """Run the cases of a core that it does not refuse, and the directed ones."""
    verilog = core_text(config).verilog
    text, possible = cover_text(verilog)
    simulator = build_simulator(verilog, main="loop", covers=text)
    covered: Counter[str] = Counter(dict.fromkeys((cover.name for cover in possible), 0))
    names: list[bytes] = []
    total = np.zeros(0, np.int64)
    n_networks = 0
    for case in chain(directed_cases(config), (case_of(seed, config, limits) for seed in seeds)):
        try:
            job = case.deploy(config).job()
        except CompileError:
            continue
        found, hits = _run(simulator, job)
        if not names:
            names, total, properties = found, np.zeros_like(hits), _properties(found)
        total += hits
        covered.update(cover.name for cover, at in zip(possible, properties, strict=True) if hits[at])
        n_networks += 1
    # asdict copies a dict as it is, but would count the items of a Counter.
    return Coverage(
        core=name, networks=n_networks, covers=dict(covered), modules=tuple(_by_module(names, total, _started(verilog)))
    )  # fmt: skip


def _run(simulator: Simulator, job: Job) -> tuple[list[bytes], Hits]:
    with TemporaryDirectory(prefix="quiesce-") as folder:
        run_job(simulator, job, Path(folder))
        return read_hits(Path(folder) / "coverage.dat")


def _properties(names: Sequence[bytes]) -> list[int]:
    """Where the cover properties are, in the order of their lines."""
    at = {int(spot.partition(":")[0]): index for index, (kind, _, spot) in enumerate(map(point_of, names)) if kind == "user"}
    return [at[line] for line in sorted(at)]


def _started(verilog: str) -> frozenset[str]:
    """Spots of the Verilog that are no branches."""
    lines = (number for number, line in enumerate(verilog.splitlines(), 1) if line.strip() == _STARTED)
    return frozenset(f"{number}:{branch}" for number in lines for branch in ("if", "else"))


def _by_module(names: Sequence[bytes], hits: Hits, started: frozenset[str]) -> Iterable[ModulePoints]:
    points: Counter[tuple[str, str, str]] = Counter()
    for name, count in zip(names, hits.tolist(), strict=True):
        points[point_of(name)] += count
    hit: Counter[tuple[str, str]] = Counter()
    missed: dict[tuple[str, str], list[str]] = {}
    for (kind, module, spot), count in sorted(points.items()):
        if kind != "user" and not (module.startswith("quiesce") and spot in started):
            hit[kind, module] += count > 0
            missed.setdefault((kind, module), []).extend([] if count else [spot])
    for (kind, module), places in missed.items():
        yield ModulePoints(kind=kind, module=module, hit=hit[kind, module], missed=tuple(places))


def measure_coverage(
    seeds: Iterable[int], cores: Mapping[str, CoreConfig], *, limits: Limits | None = None, jobs: int | None = None
) -> list[Coverage]:
    """Run the cases of a soak, and the directed ones of each core, on simulators that count what occurs; each core is a job for
    joblib.

    Parameters are those of ``soak``. Results are not compared with the reference.

    Raises
    ------
    SimError, CoreError
        A simulator does not build, or a case does not run to its end.
    """
    by_core = seeds_by_core(seeds, tuple(cores))
    work = (joblib.delayed(_measure)(name, cores[name], some, limits or Limits()) for name, some in by_core.items())
    return list(joblib.Parallel(n_jobs=jobs)(work))
