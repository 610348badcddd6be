"""From a harness to a verdict: Amaranth, RTLIL, Yosys, AIGER, abc."""

import json
import re
import resource
import subprocess
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import pyosys
from amaranth.back import rtlil
from amaranth.hdl import Fragment

from quiesce.sim.cache import cached, content_key
from quiesce.sim.gates.synth.yosys import run_yosys
from tests.formal.harness import Harness

__all__ = ["BASE", "BIT_LEVEL", "Undecided", "Verdict", "decide", "model_check", "run_abc", "to_rtlil"]

ABC = Path(pyosys.__file__).parent / "yosys-abc"

BIT_LEVEL = (
    "memory -nomap", "memory_map", "async2sync", "opt_expr -keepdc", "opt_merge", "opt_clean", "techmap", "dffunmap",
    "setundef -anyseq", "opt_expr -keepdc", "aigmap", "opt_clean",
)  # fmt: skip
"""Yosys commands from a flat design of processes turned into cells to AIGER's gates."""


class Undecided(AssertionError):
    """Neither a proof nor a counterexample within the time given."""


@dataclass(frozen=True)
class Verdict:
    """Whether ``bad`` can ever be high.

    Members
    -------
    proved : it cannot, in any number of cycles
    trace : otherwise the bits of the harness's inputs, by name, for each cycle up to the first in which it is
    latches, gates : size of the model
    seconds : CPU time of the search
    """

    proved: bool
    trace: list[dict[str, int]]
    latches: int
    gates: int
    seconds: float


def to_rtlil(harness: Harness) -> str:
    """RTLIL of module ``top``, the design under proof in module ``top.dut``; without the lines of source files."""
    # The ports are known only once it has been elaborated, which may be done once.
    fragment = Fragment.get(harness, None)
    return rtlil.convert(fragment, name="top", ports=harness.ports, emit_src=False)


def decide(harness: Harness, *, seconds: int = 600) -> Verdict:
    """The verdict on a harness, from the cache if the same one was decided before.

    Raises
    ------
    Undecided
        After ``seconds`` of CPU time.
    """
    text = to_rtlil(harness)
    key = content_key({"rtlil": text, "engine": Path(__file__).read_bytes(), "pyosys": version("pyosys")})

    def make(folder: Path) -> None:
        (folder / "top.il").write_text(text)
        run_yosys(["read_rtlil top.il", "hierarchy -check -top top", "proc", "flatten", *BIT_LEVEL,
                   "write_aiger -zinit -map top.map top.aig"], folder)  # fmt: skip
        verdict = model_check(folder, "top", seconds=seconds)
        (folder / "verdict.json").write_text(json.dumps(asdict(verdict)))

    folder, _ = cached("proofs", key, make)
    return Verdict(**json.loads((folder / "verdict.json").read_text()))


BASE = "strash; print_stats; bmc3 -F {depth}"
INDUCTION = "logic; init -d; undc; strash; frames -i -F 2; cone -O 1; strash; iprove"
REACHABILITY = "strash; scorr; print_stats; pdr"


def model_check(folder: Path, name: str, *, depth: int = 2, seconds: int = 600, inductive: bool = True) -> Verdict:
    """Decide the output of ``name.aig`` in ``folder``.

    First the cycles before ``depth`` are searched. Then it is tried whether the checks are inductive, if they may be: from any
    state in which none has failed, none fails in the next cycle. Otherwise property-directed reachability looks for what is
    missing.

    Raises
    ------
    Undecided
        None of these has an answer after ``seconds`` of CPU time.
    """
    began = _cpu_seconds()
    found = folder / f"{name}.cex"
    found.unlink(missing_ok=True)

    def run(commands: str) -> str:
        return run_abc(folder, name, f"{commands.format(depth=depth)}; print_status; write_cex -n {found}", seconds)

    said = run(BASE)
    latches, gates = _sizes(said) or (0, 0)
    searched = re.search(r"No output asserted in (\d+) frames", said)
    if not found.exists():
        inductive = inductive and "Status = 1 " in run(INDUCTION)
        found.unlink(missing_ok=True)  # of a step, not of a run
        said = "" if inductive else run(REACHABILITY)
        # Where sequential sweeping leaves a constant, nothing is left to do: were it 1, the first search would have found it.
        unreachable = "Status = 1 " in said or (searched and _sizes(said) == (0, 0))
        if not (found.exists() or unreachable or (inductive and searched and int(searched[1]) >= 2)):
            raise Undecided(f"undecided after {_cpu_seconds() - began:.0f} s")
    trace = _read_trace(found, folder / f"{name}.map") if found.exists() else []
    return Verdict(not trace, trace, latches, gates, round(_cpu_seconds() - began, 1))


def run_abc(folder: Path, name: str, commands: str, seconds: int) -> str:
    """What abc says of the AIGER file ``name``; after ``seconds`` of CPU time it is killed, and says nothing."""
    limit = partial(resource.setrlimit, resource.RLIMIT_CPU, (seconds, seconds))
    script = f"read_aiger {name}.aig; {commands}"
    return subprocess.run([ABC, "-c", script], cwd=folder, text=True, capture_output=True, preexec_fn=limit).stdout


def _cpu_seconds() -> float:
    """That child processes have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _sizes(said: str) -> tuple[int, int] | None:
    sizes = re.search(r"lat = *(\d+) .*and = *(\d+)", said)
    return (int(sizes[1]), int(sizes[2])) if sizes else None


def _read_trace(path: Path, names: Path) -> list[dict[str, int]]:
    """Inputs by name from abc's numbered bits, with the file of names that Yosys wrote."""
    bits = re.findall(r"^input (\d+) (\d+) (\S+)$", names.read_text(), re.MULTILINE)
    meaning = {int(number): (name, int(bit)) for number, bit, name in bits}
    trace: list[dict[str, int]] = []
    for number, cycle, value in re.findall(r"^pi(\d+)@(\d+)=([01])$", path.read_text(), re.MULTILINE):
        while len(trace) <= int(cycle):
            trace.append({})
        if int(value) and int(number) in meaning:  # bits without a name are undefined ones
            name, bit = meaning[int(number)]
            trace[int(cycle)][name] = trace[int(cycle)].get(name, 0) | 1 << bit
    return trace
