"""``python -m tests.formal.step NAME``: why a proof is not inductive, for those who write one.

Prints a state in which no check of the first proof whose name contains NAME fails, inputs, and the checks that fail a cycle
later: either a fault, or an invariant is missing that excludes the state.
"""

import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from amaranth.back import rtlil
from amaranth.hdl import Fragment

from quiesce.sim.gates.synth.yosys import run_yosys
from tests.formal.engine import ABC, BIT_LEVEL, INDUCTION
from tests.formal.harness import Harness
from tests.formal.proof import all_proofs


def step(harness: Harness, folder: Path) -> str:
    """The state, inputs and failing checks as text, or that there are none."""
    fragment = Fragment.get(harness, None)
    conditions = {**harness.checks, **harness.assumptions}
    (folder / "top.il").write_text(
        rtlil.convert(fragment, name="top", ports=[*harness.ports, *conditions.values()], emit_src=False)
    )
    run_yosys(
        ["read_rtlil top.il", "hierarchy -check -top top", "proc", "flatten", *BIT_LEVEL, "write_aiger -zinit -ascii -symbols "
         "-map all.map all.aag", "delete -port o:* w:bad %d", "opt_clean", "write_aiger -zinit -map top.map top.aig"], folder,
    )  # fmt: skip
    script = f"read_aiger top.aig; {INDUCTION}; write_cex -n cex"
    subprocess.run([ABC, "-c", script], cwd=folder, capture_output=True, check=True)
    if not (folder / "cex").exists():
        return "inductive, or undecided"
    trace = (folder / "cex").read_text()
    inputs, latches = _names(folder / "top.map")
    values = {
        (*name, int(frame)): int(value)
        for index, frame, value in re.findall(r"^pi(\d+)_(\d+)@0=([01])$", trace, re.MULTILINE)
        for name, _ in inputs.get(int(index), [])
    }
    state = {
        name: int(value) ^ inverted
        for index, value in re.findall(r"^l(\d+)_pi_00@0=([01])$", trace, re.MULTILINE)
        for name, inverted in latches.get(int(index), [])
    }
    lines = ["state", *_words(state)]
    for frame, failed in enumerate(_simulate(folder, values, state)):
        now = {name[:2]: value for name, value in values.items() if name[2] == frame}
        lines += [f"inputs of cycle {frame}", *_words(now), f"violated in cycle {frame}: {', '.join(failed) or 'nothing'}"]
    return "\n".join(lines)


def _names(path: Path) -> tuple[dict, dict]:
    """Names, with bit numbers, of inputs and flip-flops by their number; and whether they are stored inverted."""
    inputs: dict[int, list] = {}
    latches: dict[int, list] = {}
    for kind, number, bit, name in re.findall(r"^(input|latch|invlatch) (\d+) (\d+) (\S+)$", path.read_text(), re.MULTILINE):
        (inputs if kind == "input" else latches).setdefault(int(number), []).append(((name, int(bit)), kind == "invlatch"))
    return inputs, latches


def _words(bits: dict) -> list[str]:
    words: dict[str, int] = {}
    for (name, bit), value in bits.items():
        words[name] = words.get(name, 0) | value << bit
    return [f"    {name} = {value:#x}" for name, value in sorted(words.items()) if value]


def _simulate(folder: Path, values: dict, state: dict):
    """Names of the outputs that are high, in two cycles from ``state`` on."""
    inputs, latches = _names(folder / "all.map")
    head, *lines = (folder / "all.aag").read_text().splitlines()
    n_inputs, n_latches, n_outputs, n_gates = map(int, head.split()[2:6])
    at_latches, at_outputs, at_gates = n_inputs, n_inputs + n_latches, n_inputs + n_latches + n_outputs
    symbols = dict(re.findall(r"^o(\d+) (\S+)$", "\n".join(lines[at_gates + n_gates :]), re.MULTILINE))
    stored = [
        next((state[name] ^ inverted for name, inverted in latches.get(number, []) if name in state), 0)
        for number in range(n_latches)
    ]
    for frame in (0, 1):
        level = {0: 0, 1: 1}
        sources = [values.get((*inputs[n][0][0], frame), 0) if n in inputs else 0 for n in range(n_inputs)] + stored
        for line, value in zip(lines[:at_outputs], sources, strict=True):
            literal = int(line.split()[0])
            level[literal], level[literal ^ 1] = value, 1 - value
        for line in lines[at_gates : at_gates + n_gates]:
            out, a, b = map(int, line.split())
            level[out] = level[a] & level[b]
            level[out ^ 1] = 1 - level[out]
        yield [symbols[str(n)] for n, line in enumerate(lines[at_outputs:at_gates]) if level[int(line)]]
        stored = [level[int(line.split()[1])] for line in lines[at_latches:at_outputs]]


if __name__ == "__main__":
    chosen = next(proof for proof in all_proofs() if sys.argv[1] in proof.name)
    with TemporaryDirectory() as scratch:
        print(chosen.name, step(chosen.make(), Path(scratch)), sep="\n")
