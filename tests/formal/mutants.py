"""Mutants: which small changes of a module its proofs notice.

Yosys's ``mutate`` changes one bit of one cell of the module under proof. A mutant is *killed* if a proof is refuted; otherwise it
is *equivalent* if it is proved that no output ever differs from that of the module itself, under the assumptions of the proof.
The rest either *breaks* a proof, which then has no answer within the time given, or *survives*: all proofs hold. Where a fault
shows only after thousands of cycles, a proof breaks because it is not inductive any more; such a mutant is noticed, too.

``python -m tests.formal.mutants`` (``make mutants``) draws some of every module and keeps what came of them in docs/mutants.json.
"""

import argparse
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from quiesce.sim.gates.synth.yosys import run_yosys
from tests.formal.aiger import fix_inputs
from tests.formal.engine import BASE, BIT_LEVEL, Undecided, model_check, run_abc, to_rtlil
from tests.formal.proof import Proof, all_proofs

__all__ = ["Mutant", "by_module", "mutants"]

RECORD = Path(__file__).parents[2] / "docs" / "mutants.json"
FATES = ("killed", "breaks", "survives", "equivalent")
DEPTH = 16  # cycles that are searched


@dataclass(frozen=True)
class Mutant:
    """One change and what came of it, one of `FATES`."""

    change: str
    fate: str


def by_module(quick: bool = True) -> dict[str, list[Proof]]:
    """The proofs of each module."""
    found = defaultdict(list)
    for proof in all_proofs():
        if proof.quick or not quick:
            found[proof.module].append(proof)
    return found


def mutants(proofs: Iterable[Proof], number: int, seed: int, seconds: int = 10) -> Iterator[Mutant]:
    """``number`` mutants of a module, drawn with ``seed``; ``seconds`` for each question to abc.

    The module is that of the first proof; others take part if theirs is the same, gate for gate.
    """
    with TemporaryDirectory() as scratch:
        folders, models = [], []
        for index, proof in enumerate(proofs):
            folders.append(Path(scratch) / str(index))
            models.append(_prepare(proof, folders[-1]))
        folders = [folder for folder in folders if _cells(folder) == _cells(folders[0])]
        changes = _draw(folders[0], models[0], number, seed)
        for folder in folders:
            _apply(folder, changes)
        for index, change in enumerate(changes):
            yield Mutant(change, _fate(folders, index, seconds))


def _prepare(proof: Proof, folder: Path) -> dict[str, set[str]]:
    """Leave in ``folder`` the harness with the module and its twin, each in one piece but for the models of memories.

    Returns the models by the names of their cells, with those ports that are none of the memory.
    """
    folder.mkdir()
    harness = proof.make(twin=True)
    (folder / "top.il").write_text(to_rtlil(harness))
    models = [f"{root}.{path}.*" for root in ("top.dut", "top.twin") for path in harness.models]
    run_yosys([
        "read_rtlil top.il", "hierarchy -check -top top", "proc",
        *(f"setattr -mod -set keep_hierarchy 1 {model}" for model in models), "flatten top.dut top.twin",
        "zinit top.dut", "rename -enumerate -pattern cell% top.dut/c:*",
        "write_rtlil base.il", "select top.dut", "write_rtlil -selected dut.il",
    ], folder)  # fmt: skip
    return harness.models


def _cells(folder: Path) -> list[str]:
    """Kinds and sizes of the cells of the module, in the order of their names."""
    return re.findall(r"^ *(?:cell|parameter) .*$", (folder / "dut.il").read_text(), re.MULTILINE)


def _draw(folder: Path, models: dict[str, set[str]], number: int, seed: int) -> list[str]:
    """Changes of the module: of a memory its ports, not the symbolic address and free values that its model has besides."""
    draw = f"mutate -list {2 * number} -seed {seed} -o list"
    run_yosys(["read_rtlil base.il", "select top.dut", "opt_clean", draw], folder)
    drawn = []
    for line in (folder / "list").read_text().splitlines():
        cell, port = re.search(r"-cell (\S+) -port (\S+)", line).groups()
        if not any(cell.startswith(path + ".") and port.lstrip("\\") in own for path, own in models.items()):
            drawn.append(line)
    return drawn[:number]


def _apply(folder: Path, changes: list[str]) -> None:
    """Leave the mutants' AIGER in ``folder``: of mutant i ``bad_i`` and ``differs_i``.

    The design is made once, with an input that chooses the mutant.
    """
    width = len(changes).bit_length()
    commands = ["read_rtlil base.il"]
    commands += [change.replace("mutate", f"mutate -ctrl mutant {width} {index}", 1) for index, change in enumerate(changes)]
    # Where the output of a flip-flop is changed, it loses its initial value; all of those are zero here.
    commands += ["setattr -mod -unset keep_hierarchy *", "flatten", "setundef -anyseq", "setundef -init -zero", *BIT_LEVEL]
    commands += ["design -save all"]
    for output, other in (("bad", "differs"), ("differs", "bad")):
        commands += ["design -load all", f"delete -port o:{other}", "opt_clean"]
        commands += [f"write_aiger -zinit -map {output}.map {output}.aig"]
    run_yosys(commands, folder)
    for output in ("bad", "differs"):
        names, data = (folder / f"{output}.map").read_text(), (folder / f"{output}.aig").read_bytes()
        bits = re.findall(r"^input (\d+) (\d+) mutant$", names, re.MULTILINE)
        for index in range(len(changes)):
            chosen = fix_inputs(data, {int(number): index >> int(bit) & 1 for number, bit in bits})
            (folder / f"{output}_{index}.map").write_text(names)
            (folder / f"{output}_{index}.aig").write_bytes(chosen)


def _fate(folders: list[Path], index: int, seconds: int) -> str:
    bad, differs = f"bad_{index}", f"differs_{index}"
    if any(_asserted(folder, bad, seconds) for folder in folders):  # most end there, in no time
        return "killed"
    if _decided(folders[0], differs, seconds, inductive=False):
        return "equivalent"
    verdicts = [_decided(folder, bad, seconds) for folder in folders]
    return "killed" if False in verdicts else "breaks" if None in verdicts else "survives"


def _asserted(folder: Path, name: str, seconds: int) -> bool:
    """Whether an output is found to be high in one of the first cycles."""
    return "Status = 0" in run_abc(folder, name, f"{BASE.format(depth=DEPTH)}; print_status", seconds)


def _decided(folder: Path, name: str, seconds: int, inductive: bool = True) -> bool | None:
    """Whether an output can never be high; None if that is not known."""
    try:
        return model_check(folder, name, seconds=seconds, inductive=inductive).proved
    except Undecided:
        return None


def main() -> int:
    """Draw mutants of all modules, or of some, and write the record; its table goes to standard output."""
    parser = argparse.ArgumentParser(prog="make mutants", description="Mutants of the modules that have proofs.")
    parser.add_argument("--only", metavar="NAME", action="append", help="a module; the record's other modules stay as they are")
    parser.add_argument("--number", type=int, default=12, metavar="N", help="mutants of each module")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    arguments = parser.parse_args()
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    for module, proofs in by_module().items():
        if arguments.only and module not in arguments.only:
            continue
        drawn = list(mutants(proofs, arguments.number, arguments.seed))
        counts = Counter(mutant.fate for mutant in drawn)
        record[module] = {
            "number": arguments.number, "seed": arguments.seed, **{fate: counts[fate] for fate in FATES},
            "left": [f"{mutant.fate}: {mutant.change}" for mutant in drawn if mutant.fate in FATES[1:3]],
        }  # fmt: skip
        RECORD.write_text(json.dumps(dict(sorted(record.items())), indent=1) + "\n")
        print(f"{module}: {dict(counts)}", file=sys.stderr, flush=True)
    print(table(record))
    return 0


def table(record: dict) -> str:
    """The record as a table, with the share of noticed ones, killed or not proved any more, among those not equivalent."""
    lines = ["| module | mutants | killed | break a proof | survive | equivalent | noticed of those that differ |"]
    lines.append("|---|---|---|---|---|---|---|")
    rows = {f"`{module}`": [entry[fate] for fate in FATES] for module, entry in sorted(record.items())}
    rows["all"] = [sum(column) for column in zip(*rows.values(), strict=True)]
    for name, (killed, breaks, survives, equivalent) in rows.items():
        noticed, differ = killed + breaks, killed + breaks + survives
        share = f"{noticed / differ:.0%}" if differ else ""
        lines.append(f"| {name} | {differ + equivalent} | {killed} | {breaks} | {survives} | {equivalent} | {share} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
