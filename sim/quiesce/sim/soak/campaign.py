"""A soak: many cases on a pool of cores, side by side, in a folder in which an interrupted one goes on."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import joblib
import numpy as np

from quiesce.sim.build import build_simulator
from quiesce.sim.core_text import core_text
from quiesce.sim.errors import SimError
from quiesce.sim.soak.case import Outcome, SoakCase, Trial, case_of, run_case
from quiesce.sim.soak.case_file import CaseRecord, heading, read_records, writer
from quiesce.sim.soak.networks import Limits
from quiesce.sim.soak.shrink import shrink
from quiesce.spec.config import CoreConfig
from quiesce.sw.format.container import save_network

__all__ = ["seeds_by_core", "soak"]

_CHUNK = 20
"""Cases of a job: seconds."""


def _core_for(seed: int, names: Sequence[str]) -> str:
    """The core that runs the case of a seed."""
    return names[int(np.random.default_rng((seed, 0)).integers(len(names)))]


def seeds_by_core(seeds: Iterable[int], names: Sequence[str]) -> dict[str, list[int]]:
    """The seeds of each core that runs the case of one."""
    found: dict[str, list[int]] = {name: [] for name in names}
    for seed in seeds:
        found[_core_for(seed, names)].append(seed)
    return {name: some for name, some in found.items() if some}


def _built(name: str, config: CoreConfig) -> tuple[str, str]:
    """Build the simulator of a core: its name, and why it does not build, or nothing."""
    try:
        build_simulator(core_text(config).verilog, main="loop")
    except SimError as error:
        return name, f"the core does not build: {error}"
    return name, ""


def _run_one(seed: int, name: str, config: CoreConfig, broken: str, limits: Limits) -> tuple[CaseRecord, SoakCase | None]:
    """Run a case; if it fails, make it smaller."""
    case = case_of(seed, config, limits)
    if broken:
        trial = Trial(outcome=Outcome.FAILED, message=broken, layers=len(case.network.layers), items=len(case.inputs))
        return CaseRecord(seed=seed, core=name, trial=trial), None
    trial = run_case(case, config)
    if trial.outcome is not Outcome.FAILED:
        return CaseRecord(seed=seed, core=name, trial=trial), None
    smallest = shrink(case, lambda other: run_case(other, config).outcome is Outcome.FAILED)
    return CaseRecord(seed=seed, core=name, trial=trial, smallest=tuple(smallest.describe())), smallest


def _run(
    cases: Sequence[tuple[int, str]], cores: Mapping[str, CoreConfig], broken: Mapping[str, str], limits: Limits
) -> list[tuple[CaseRecord, SoakCase | None]]:
    return [_run_one(seed, name, cores[name], broken[name], limits) for seed, name in cases]


def soak(
    folder: Path, seeds: Iterable[int], cores: Mapping[str, CoreConfig], *, limits: Limits | None = None, jobs: int | None = None,
    progress: Callable[[CaseRecord], None] | None = None,
) -> list[CaseRecord]:  # fmt: skip
    """Run the cases of all seeds that the folder does not hold yet, and write a line for each.

    Builds and stretches of cases are independent jobs for joblib, as of ``measure_space``.

    Parameters
    ----------
    folder : Path
        Made if it is not there. Failing cases are left in it, made smaller, as a network file and an array of inputs.
    seeds : iterable of int
        A seed is a case; which core runs it depends on the names of ``cores``.
    cores : mapping of str to CoreConfig
    limits : Limits, optional
        Of the networks.
    jobs : int, optional
        At the same time; by default as the configuration of joblib says.
    progress : callable, optional
        Called with each case that is done.

    Returns
    -------
    list of CaseRecord
        Of all seeds, those that the folder held included.

    Raises
    ------
    SimError
        The folder belongs to another soak, or a simulator could not be started.
    """
    limits = limits or Limits()
    head = heading(cores, limits)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [(seed, _core_for(seed, tuple(cores))) for seed in seeds]
    done = {(record.seed, record.core): record for record in read_records(folder, head)}
    missing = [case for case in wanted if case not in done]
    used = {name: cores[name] for name in dict.fromkeys(name for _, name in missing)}
    broken = dict(joblib.Parallel(n_jobs=jobs)(joblib.delayed(_built)(*core) for core in used.items()))
    stretches = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")(
        joblib.delayed(_run)(missing[first : first + _CHUNK], used, broken, limits) for first in range(0, len(missing), _CHUNK)
    )
    with writer(folder, head, done.values()) as write:
        for stretch in stretches:
            for record, smallest in stretch:
                if smallest is not None:
                    save_network(folder / f"{record.core}-{record.seed}.safetensors", smallest.network)
                    np.save(folder / f"{record.core}-{record.seed}.npy", smallest.inputs)
                write(record)
                done[record.seed, record.core] = record
                if progress:
                    progress(record)
    return [done[case] for case in wanted]
