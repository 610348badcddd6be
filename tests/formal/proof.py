"""The list of proofs, one module of ``tests.formal.proofs`` for each module of the gateware."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from tests.formal.engine import Verdict, decide
from tests.formal.harness import Harness
from tests.formal.trace import replay

__all__ = ["Proof", "all_proofs"]


@dataclass(frozen=True)
class Proof:
    """That a harness's checks hold.

    Parameters
    ----------
    harness : type
        A `Harness`; the first sentence of its docstring says what is proved.
    sizes : mapping
        Its arguments: the sizes of the design.
    quick : bool
        Part of ``make test``; the others take more than some seconds.
    """

    harness: type[Harness]
    sizes: Mapping[str, Any] = field(default_factory=dict)
    quick: bool = True

    @property
    def module(self) -> str:
        return self.harness.__module__.rpartition(".")[2]

    @property
    def name(self) -> str:
        sizes = ", ".join(f"{name}={value}" for name, value in self.sizes.items())
        return f"{self.module}: {self.harness.__name__}({sizes})"

    def make(self, **options) -> Harness:
        return self.harness(**self.sizes, **options)

    def prove(self, seconds: int = 1200) -> Verdict:
        """The verdict, if it is a proof.

        Raises
        ------
        AssertionError
            Refuted, with the counterexample as a table; or `Undecided`.
        """
        verdict = decide(self.make(), seconds=seconds)
        assert verdict.proved, f"{self.name} is refuted\n{replay(self.make(), verdict.trace)}"
        return verdict


def all_proofs() -> Iterator[Proof]:
    """Those of every module of ``tests.formal.proofs``."""
    import tests.formal.proofs as package

    for entry in iter_modules(package.__path__):
        yield from import_module(f"tests.formal.proofs.{entry.name}").PROOFS
