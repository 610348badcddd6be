"""Mutants: which small changes of a module its proofs notice.

Yosys's ``mutate`` changes one bit of one cell of the module under proof. A mutant is *killed* if a proof is refuted; otherwise it
is *equivalent* if it is proved that no output ever differs from that of the module itself, under the assumptions of the proof;
else it *survives*.

``python -m formal.mutants`` (``make mutants``) draws some of every module and keeps what came of them in docs/mutants.json.
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

from formal.engine import BIT_LEVEL, Undecided, model_check, to_rtlil
from formal.proof import Proof, all_proofs
from quiesce.sim.gates.yosys import run_yosys

__all__ = ["Mutant", "by_module", "mutants"]

RECORD = Path(__file__).parents[2] / "docs" / "mutants.json"
FATES = ("killed", "equivalent", "survives")


@dataclass(frozen=True)
class Mutant:
    """One change and what came of it: "killed", "equivalent" or "survives"."""

    module: str
    change: str
    fate: str


def by_module(quick: bool = True) -> dict[str, list[Proof]]:
    """The proofs of each module."""
    found = defaultdict(list)
    for proof in all_proofs():
        if proof.quick or not quick:
            found[proof.module].append(proof)
    return found


def mutants(module: str, proofs: Iterable[Proof], number: int, seed: int, seconds: int = 20) -> Iterator[Mutant]:
    """``number`` mutants of a module, drawn with ``seed``; ``seconds`` for each question to abc.

    The module is that of the first proof; others take part if theirs is the same, gate for gate.
    """
    with TemporaryDirectory() as scratch:
        folders = [_prepare(proof, Path(scratch) / str(index)) for index, proof in enumerate(proofs)]
        folders = [folder for folder in folders if _cells(folder) == _cells(folders[0])]
        draw = f"mutate -list {number} -seed {seed} -o list"
        run_yosys(["read_rtlil base.il", "select top.dut", "opt_clean", draw], folders[0])
        for change in (folders[0] / "list").read_text().splitlines():
            yield Mutant(module, change, _fate(folders, change, seconds))


def _prepare(proof: Proof, folder: Path) -> Path:
    """Leave in ``folder`` the harness with the module and its twin, each in one piece but for the models of memories."""
    folder.mkdir()
    harness = proof.make(twin=True)
    (folder / "top.il").write_text(to_rtlil(harness))
    models = [f"{root}.{path}.*" for root in ("top.dut", "top.twin") for path in harness.models]
    run_yosys([
        "read_rtlil top.il", "hierarchy -check -top top", "proc",
        *(f"setattr -mod -set keep_hierarchy 1 {model}" for model in models), "flatten top.dut top.twin",
        "rename -enumerate -pattern cell% top.dut/c:*",
        "write_rtlil base.il", "select top.dut", "write_rtlil -selected dut.il",
    ], folder)  # fmt: skip
    return folder


def _cells(folder: Path) -> list[str]:
    """Kinds and sizes of the cells of the module, in the order of their names."""
    return re.findall(r"^ *(?:cell|parameter) .*$", (folder / "dut.il").read_text(), re.MULTILINE)


def _fate(folders: list[Path], change: str, seconds: int) -> str:
    # The first cycles first, of all proofs: most mutants end there.
    for folder in folders:
        run_yosys([
            "read_rtlil base.il", change, "setattr -mod -unset keep_hierarchy *", "flatten", *BIT_LEVEL,
            "design -save both", "delete -port o:differs", "opt_clean", "write_aiger -zinit -map bad.map bad.aig",
            "design -load both", "delete -port o:bad", "opt_clean", "write_aiger -zinit -map differs.map differs.aig",
        ], folder)  # fmt: skip
    if any(_decided(folder, "bad", seconds) is False for folder in folders):
        return "killed"
    return "equivalent" if _decided(folders[0], "differs", seconds, inductive=False) else "survives"


def _decided(folder: Path, name: str, seconds: int, inductive: bool = True) -> bool | None:
    """Whether an output can never be high; None if that is not known."""
    try:
        return model_check(folder, name, depth=12, seconds=seconds, inductive=inductive).proved
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
        drawn = list(mutants(module, proofs, arguments.number, arguments.seed))
        counts = Counter(mutant.fate for mutant in drawn)
        record[module] = {
            "number": arguments.number, "seed": arguments.seed, **{fate: counts[fate] for fate in FATES},
            "survivors": [mutant.change for mutant in drawn if mutant.fate == "survives"],
        }  # fmt: skip
        RECORD.write_text(json.dumps(dict(sorted(record.items())), indent=1) + "\n")
        print(f"{module}: {dict(counts)}", file=sys.stderr, flush=True)
    print(table(record))
    return 0


def table(record: dict) -> str:
    """The record as a table, with the share of killed ones among those that are not equivalent."""
    lines = ["| module | mutants | killed | equivalent | survive | killed of those that differ |", "|---|---|---|---|---|---|"]
    rows = [(f"`{module}`", *(entry[fate] for fate in FATES)) for module, entry in sorted(record.items())]
    rows.append(("all", *(sum(row[index] for row in rows) for index in (1, 2, 3))))
    for name, killed, equivalent, survives in rows:
        share = f"{killed / (killed + survives):.0%}" if killed + survives else ""
        lines.append(f"| {name} | {killed + equivalent + survives} | {killed} | {equivalent} | {survives} | {share} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
