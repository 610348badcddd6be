"""A run of a simulator: what the parent process hands to the bench, and what comes back, all through files.

A job folder holds ``job.json``, ``memory.bin`` (mapped by the simulator, so it also holds what the core wrote), for each phase
``<n>.script`` and, after the run, ``result.json``, ``<n>.results``, ``<n>.activity`` and the activity files of its windows.
"""

import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import IntFlag
from pathlib import Path

import numpy as np
import numpy.typing as npt
from cocotb_tools.runner import Icarus

from quiesce.sim.build import Simulator
from quiesce.sim.energy.module_activity import ModuleActivity, read_activity
from quiesce.sim.errors import CoreError, SimError
from quiesce.sim.loop import LoopProcess, PhaseOutcome
from quiesce.sim.runner import WheelVerilator
from quiesce.sim.script import Script
from quiesce.sw.files import read_json

__all__ = [
    "BrokenRule", "Bus", "Bytes", "Job", "JobPhase", "JobResult", "PhaseResult", "Progress", "SaifWindow", "read_phase",
    "run_in_loop", "run_job",
]  # fmt: skip

Progress = Callable[[int], None]
"""Called now and then with the number of finished items."""

Bytes = npt.NDArray[np.uint8]


class BrokenRule(IntFlag):
    """What the core did wrong on its buses; the bits of the bench's ``fault``."""

    READ_KIND = 1 << 0
    """A read burst that is not incrementing, narrow or unaligned."""
    READ_CROSSES_PAGE = 1 << 1
    READ_HAZARD = 1 << 2
    """Bytes read whose write had not been answered."""
    WRITE_KIND = 1 << 3
    WRITE_CROSSES_PAGE = 1 << 4
    WRITE_LAST = 1 << 5
    """WLAST elsewhere than on the last beat."""
    READ_ADDRESS_UNSTABLE = 1 << 6
    """A request changed or withdrawn before it was taken."""
    WRITE_ADDRESS_UNSTABLE = 1 << 7
    WRITE_DATA_UNSTABLE = 1 << 8
    REGISTER_ERROR = 1 << 9
    """The register port answered with an error."""


@dataclass(frozen=True, kw_only=True)
class Bus:
    """Behaviour of the memory.

    Parameters
    ----------
    latency : int
        Cycles from an address (or the last beat of a write) to its response, 2..65535.
    gap : int
        Idle cycles after each data beat, 0..255.
    stall : int
        Each channel is held back at random in ``stall / 256`` of the cycles, 0..255.
    seed : int
        Of the random stalls, 1..2**32-1.
    """

    latency: int = 32
    gap: int = 0
    stall: int = 0
    seed: int = 1

    def __post_init__(self) -> None:
        ranges = {"latency": (2, 65535), "gap": (0, 255), "stall": (0, 255), "seed": (1, 2**32 - 1)}
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                raise SimError(f"bus {name}: {getattr(self, name)} is not in {low}..{high}")


@dataclass(frozen=True, kw_only=True)
class JobPhase:
    """One run of the host's script, from ``start`` to ``done``.

    Parameters
    ----------
    script : Script
    limit : int
        Cycles after which the host gives up; 0 is never.
    toggles : bool
        Count the activity of each layer.
    windows : bool
        Write activity files, a window for each stretch of passes of one layer. To find those stretches, another phase that runs
        at least the same items has to precede this one; else each pass has a window of its own.
    tolerate : BrokenRule
        Broken rules that are no error: a corrupted program may well read what it has not written yet.
    reset : bool
        Begin from reset; else go on with the core as the phase before left it.
    """

    script: Script
    limit: int = 0
    toggles: bool = False
    windows: bool = False
    tolerate: BrokenRule = BrokenRule(0)
    reset: bool = True


@dataclass(frozen=True)
class Job:
    """Phases that run after each other on one memory."""

    memory: Bytes
    phases: Sequence[JobPhase]
    bus: Bus = field(default_factory=Bus)


@dataclass(frozen=True)
class SaifWindow:
    """A stretch of cycles of one layer and where its toggles are.

    Attributes
    ----------
    layer : int
        Counter set.
    cycles : int
    opened, closed : Path
        Activity files: the state when the window opened, and toggles plus that state.
    """

    layer: int
    cycles: int
    opened: Path
    closed: Path


@dataclass(frozen=True)
class PhaseResult:
    """What one phase reported.

    Attributes
    ----------
    values : dict of object to int
        What the script reported, by its keys.
    cycles : int
        From ``start`` to ``done``, register accesses included.
    seconds : float
        Of wall time in them.
    windows : tuple of SaifWindow
    activity : dict of int to dict of str to ModuleActivity
        By counter set and instance path, see ``read_activity``; empty if it was not counted.
    """

    values: dict[object, int]
    cycles: int
    seconds: float
    windows: tuple[SaifWindow, ...]
    activity: Mapping[int, Mapping[str, ModuleActivity]]


@dataclass(frozen=True)
class JobResult:
    """Memory after the run and the result of each phase."""

    memory: Bytes
    phases: tuple[PhaseResult, ...]


class _ProgressReader(threading.Thread):
    """Passes the simulator's progress on while the parent waits for it."""

    def __init__(self, path: Path, progress: Progress) -> None:
        super().__init__(daemon=True)
        self._path, self._progress = path, progress
        self._finished = threading.Event()

    def run(self) -> None:
        last = -1
        while not self._finished.wait(0.2):
            data = self._path.read_bytes() if self._path.exists() else b""
            items = int.from_bytes(data[:4], "little")
            if len(data) >= 4 and items != last:
                self._progress(last := items)

    def stop(self) -> None:
        self._finished.set()
        self.join()


def _failure(log: Path) -> str:
    """The last lines of a simulator's log that say what went wrong, without colour codes and time stamps."""
    text = log.read_text(errors="replace") if log.exists() else ""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in text.splitlines()]
    errors = [line for line in lines if re.search(r"Error|ERROR|assert|fail", line)]
    return "\n".join((errors or lines)[-12:]) or "no output"


def _run_cocotb(simulator: Simulator, folder: Path, state_seed: int | None) -> list[PhaseOutcome]:
    log = folder / "simulator.log"
    runner = WheelVerilator() if simulator.vpi is None else Icarus()
    functions = [] if simulator.vpi is None else ["-m", str(simulator.vpi)]
    environment = {"QUIESCE_JOB": str(folder)} | ({} if simulator.vpi is None else {"QUIESCE_VPI": str(simulator.vpi)})
    try:
        runner.test(
            test_module="quiesce.sim.cocotb_bench",
            hdl_toplevel=simulator.top,
            hdl_toplevel_lang="verilog",
            build_dir=simulator.folder,
            test_dir=folder,
            results_xml=str(folder / "results.xml"),
            test_args=functions,
            plusargs=[] if state_seed is None else ["+verilator+rand+reset+2", f"+verilator+seed+{state_seed}"],
            extra_env=environment,
            log_file=log,
        )
    except (OSError, RuntimeError, SystemExit) as error:
        if not (folder / "result.json").exists():
            raise SimError(f"the simulator failed: {error}\n{_failure(log)}") from error
    if not (folder / "result.json").exists():
        raise SimError(f"the simulator left no result:\n{_failure(log)}")
    return read_json(folder / "result.json", list[PhaseOutcome])


def write_job(job: Job, folder: Path) -> None:
    """Lay a job out in a folder."""
    job.memory.tofile(folder / "memory.bin")
    for index, phase in enumerate(job.phases):
        phase.script.encode().tofile(folder / f"{index}.script")
    settings = ("limit", "toggles", "windows", "reset")
    phases = [{name: getattr(phase, name) for name in settings} for phase in job.phases]
    (folder / "job.json").write_text(json.dumps({"bus": asdict(job.bus), "phases": phases}))


def run_in_loop(process: LoopProcess, folder: Path, index: int, phase: JobPhase) -> PhaseOutcome:
    """Run a phase whose script is in the folder as that of number ``index``."""
    activity = folder / f"{index}.activity" if phase.toggles else None
    script, results = folder / f"{index}.script", folder / f"{index}.results"
    return process.run(script, results, limit=phase.limit, reset=phase.reset, activity=activity)


def read_phase(folder: Path, index: int, entry: PhaseOutcome, phase: JobPhase) -> PhaseResult:
    """What phase number ``index`` left in the folder; CoreError if the core broke a rule or did not finish."""
    if fault := BrokenRule(entry.fault) & ~phase.tolerate:
        raise CoreError(f"bus rules broken by the core: {', '.join(flag.name or '' for flag in fault)}")
    if entry.timeout:
        raise CoreError(f"no interrupt within {entry.cycles} cycles")
    windows = tuple(
        SaifWindow(layer, cycles, folder / f"{index}.{n}.open.saif", folder / f"{index}.{n}.saif")
        for n, (layer, cycles) in enumerate(entry.windows)
    )
    values = phase.script.decode(np.fromfile(folder / f"{index}.results", dtype=np.uint64))
    activity = read_activity(folder / f"{index}.activity") if phase.toggles else {}
    return PhaseResult(values, entry.cycles, entry.seconds, windows, activity)


def run_job(
    simulator: Simulator, job: Job, folder: Path, progress: Progress | None = None, *, state_seed: int | None = None
) -> JobResult:
    """Run all phases in one simulator process.

    Parameters
    ----------
    folder : Path
        Empty; the files of the job are left in it.
    progress : callable, optional
        Under cocotb only.
    state_seed : int, optional
        Registers and memories begin with random values of this seed, 1..2**31-1, rather than with zeros (under cocotb only).

    Raises
    ------
    SimError
        The simulator failed, cannot count the activity that a phase wants, or cannot begin with random values.
    CoreError
        The core broke a bus rule or raised no interrupt within the limit.
    """
    for wanted in ("toggles", "windows"):
        if any(getattr(phase, wanted) for phase in job.phases) and not getattr(simulator, wanted):
            raise SimError(f"this simulator was built without {wanted}")
    if state_seed is not None and not simulator.random_state:
        raise SimError("this simulator was built without random_state")
    write_job(job, folder)
    reader = _ProgressReader(folder / "progress", progress) if progress else None
    if reader:
        reader.start()
    try:
        if simulator.main == "loop":
            with LoopProcess(simulator, folder, folder / "memory.bin", asdict(job.bus)) as process:
                entries = [run_in_loop(process, folder, index, phase) for index, phase in enumerate(job.phases)]
        else:
            entries = _run_cocotb(simulator, folder, state_seed)
    finally:
        if reader:
            reader.stop()
    phases = tuple(
        read_phase(folder, index, entry, phase) for index, (entry, phase) in enumerate(zip(entries, job.phases, strict=True))
    )
    return JobResult(np.fromfile(folder / "memory.bin", dtype=np.uint8), phases)
