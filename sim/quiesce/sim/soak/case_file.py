"""The file of a soak: a line of what all its cases share, then a line for each case that ran."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import quiesce.rtl
import quiesce.sim
import quiesce.spec
import quiesce.sw
from quiesce.sim.errors import SimError
from quiesce.sim.soak.case import Outcome, Trial
from quiesce.sim.soak.networks import Limits
from quiesce.spec.config import CoreConfig
from quiesce.sw.files import parse_json

__all__ = ["CASES_FILE", "CoreSummary", "CaseRecord", "heading", "read_records", "summarize", "writer"]

CASES_FILE = "cases.jsonl"


@dataclass(frozen=True, kw_only=True)
class CaseRecord:
    """A case that ran.

    Attributes
    ----------
    seed : int
    core : str
    trial : Trial
    smallest : tuple of str
        If it failed: the smallest case found that fails, in lines.
    """

    seed: int
    core: str
    trial: Trial
    smallest: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CoreSummary:
    """What came of the cases of a core.

    Attributes
    ----------
    failed : tuple of int
        Seeds.
    cycles, seconds : simulated, and of processors
    """

    core: str
    networks: int
    exact: int
    refused: int
    failed: tuple[int, ...]
    cycles: int
    seconds: float


def summarize(records: Iterable[CaseRecord]) -> list[CoreSummary]:
    """A summary of each core, in the order of their first cases."""
    by_core: dict[str, list[CaseRecord]] = {}
    for record in records:
        by_core.setdefault(record.core, []).append(record)
    return [
        CoreSummary(
            core=core, networks=len(cases), exact=sum(case.trial.outcome is Outcome.EXACT for case in cases),
            refused=sum(case.trial.outcome is Outcome.REFUSED for case in cases),
            failed=tuple(case.seed for case in cases if case.trial.outcome is Outcome.FAILED),
            cycles=sum(case.trial.cycles for case in cases), seconds=sum(case.trial.seconds for case in cases),
        )
        for core, cases in by_core.items()
    ]  # fmt: skip


def heading(cores: Mapping[str, CoreConfig], limits: Limits) -> str:
    """The first line: cores, limits, and a digest of the sources of generator, core, compiler and bench."""
    digest = hashlib.sha256()
    for package in (quiesce.spec, quiesce.rtl, quiesce.sw, quiesce.sim):
        for root in map(Path, package.__path__):
            for path in sorted(path for suffix in ("py", "sv", "cpp", "h") for path in root.rglob(f"*.{suffix}")):
                digest.update(path.read_bytes())
    shared = {name: config.to_dict() for name, config in cores.items()}
    return json.dumps({"cores": shared, "limits": asdict(limits), "sources": digest.hexdigest()[:24]})


def read_records(folder: Path, head: str) -> list[CaseRecord]:
    """The cases that a folder holds; none if there is no such file.

    Raises
    ------
    SimError
        They are of other cores, limits or sources than ``head`` says.
    FileError
        A line is no record.
    """
    path = folder / CASES_FILE
    if not path.exists():
        return []
    first, _, rest = path.read_text().partition("\n")
    if first != head:
        raise SimError(f"{path}: of other cores, limits or sources; choose another folder")
    return [parse_json(line, CaseRecord, f"{path}, line {number}") for number, line in enumerate(rest.split("\n")[:-1], 2)]


@contextmanager
def writer(folder: Path, head: str, records: Iterable[CaseRecord]) -> Iterator[Callable[[CaseRecord], None]]:
    """Yields what appends a case to the file, which holds ``records`` to begin with: its last line may have been cut off."""
    path = folder / CASES_FILE
    fresh = path.with_suffix(".new")
    fresh.write_text("\n".join([head, *(json.dumps(asdict(record)) for record in records)]) + "\n")
    fresh.replace(path)
    with path.open("a") as file:

        def write(record: CaseRecord) -> None:
            file.write(json.dumps(asdict(record)) + "\n")
            file.flush()

        yield write
