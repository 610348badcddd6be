"""``python -m tests.formal``: run all proofs and print their table."""

import argparse
import sys

from tests.formal.engine import Undecided
from tests.formal.proof import all_proofs

_LABELS = {"name": "preset"}  # of parameters


def main() -> int:
    parser = argparse.ArgumentParser(prog="make prove", description="Run all proofs, the long ones too.")
    parser.add_argument("--only", default="", metavar="TEXT", help="those whose name contains TEXT")
    parser.add_argument("--seconds", type=int, default=1800, metavar="N", help="give up on one after about N seconds")
    arguments = parser.parse_args()
    failures, before = 0, type(None)
    print("| module | what is proved | sizes | in CI | flip-flops | gates | seconds |\n|---|---|---|---|---|---|---|")
    for proof in all_proofs():
        if arguments.only not in proof.name:
            continue
        what = "the same" if proof.harness is before else " ".join((proof.harness.__doc__ or "").split())
        before = proof.harness
        sizes = ", ".join(f"{_LABELS.get(name, name)} {value}" for name, value in proof.sizes.items())
        row = f"| `{proof.module}` | {what} | {sizes or 'those of `base`'} | {'yes' if proof.quick else 'no'} |"
        try:
            verdict = proof.prove(arguments.seconds)
            print(row, f"{verdict.latches:,} | {verdict.gates:,} | {verdict.seconds:.1f} |", flush=True)
        except AssertionError as error:
            failures += 1
            print(row, f" | | {'undecided' if isinstance(error, Undecided) else 'refuted'} |", flush=True)
            print(error, file=sys.stderr)
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main())
