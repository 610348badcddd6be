"""``quiesce bench training``: steps of training beside plain PyTorch."""

from dataclasses import dataclass
from pathlib import Path
from statistics import geometric_mean
from typing import TYPE_CHECKING

import click

from quiesce.cli.app import CliError
from quiesce.cli.bench.shared import print_targets, show
from quiesce.cli.options import json_option
from quiesce.cli.tables import new_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from quiesce.bench.steps import StepFigures
    from quiesce.bench.targets import Target

__all__ = ["TrainingResult", "training"]

_REAL, _INTEGER, _MEMORY = 1.25, 2.0, 1.25
"""Greatest wanted ratios to plain PyTorch."""


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """All figures, and what they were measured with."""

    device: str
    torch: str
    batch: int
    repeat: int
    bfloat16: bool
    steps: "tuple[StepFigures, ...]"
    targets: "tuple[Target, ...]"


def _targets(steps: "Iterable[StepFigures]") -> "Iterator[Target]":
    """Geometric means over models and methods."""
    from quiesce.bench.steps import CONTENDERS

    compared = [(one, CONTENDERS[one.contender].integer) for one in steps if one.contender in CONTENDERS]
    for phase, limit, integer in (("real-valued", _REAL, False), ("integer", _INTEGER, True)):
        ratios = [one.ratio for one, of_integers in compared if of_integers is integer]
        yield _target(f"seconds, {phase} phase", ratios, limit)
    memory = [one.memory_ratio for one, of_integers in compared if not of_integers]
    yield _target("peak memory, real-valued phase", memory, _MEMORY)


def _target(what: str, ratios: list[float], limit: float) -> "Target":
    from quiesce.bench.targets import Target

    mean = geometric_mean(ratios) if ratios else None
    return Target(name=f"{what}, over plain PyTorch", value=mean, limit=limit, at_least=False)


@click.command()
@click.argument("models", metavar="[MODEL]...", nargs=-1)
@click.option("--method", "methods", metavar="NAME", multiple=True, help="Only this one of those above; may be repeated.")
@click.option("--batch", default=128, show_default=True, type=click.IntRange(2, 10000), metavar="N", help="Images of a step.")
@click.option(
    "--repeat",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    metavar="N",
    help="Times that each is measured, in turns; the best counts.",
)
@click.option("--bfloat16", is_flag=True, help="Multiply in bfloat16 in the real-valued phase, plain PyTorch, too.")
@json_option  # fmt: skip
def training(
    models: tuple[str, ...], methods: tuple[str, ...], batch: int, repeat: int, bfloat16: bool, json_path: Path | None
) -> None:
    """Seconds and memory of a training step with each method at work, over those of plain PyTorch on the same network.

    MODEL are architectures of recipes, by default mlp3, lenet5, convnet5 and resnet20. Methods are trainer (none), l1,
    partial_l1, hoyer, count, tl1, arts, grid, prune, weight_penalty, dual-weights and dual (its last stages), balance, fatrelu,
    winners, and on the integers int8 (none) and int8-tl1.
    """
    import torch

    from quiesce.bench.steps import CONTENDERS, measure_steps
    from quiesce.sw.train.models import MODELS

    for what, given, known in (("MODEL", models, MODELS), ("--method", methods, CONTENDERS)):
        if unknown := [name for name in given if name not in known]:
            raise CliError(f"{what} {unknown[0]}: not one of {', '.join(known)}")
    steps = measure_steps(
        models or ("mlp3", "lenet5", "convnet5", "resnet20"), methods or tuple(CONTENDERS),
        batch=batch, repeat=repeat, bfloat16=bfloat16,
    )  # fmt: skip
    where = torch.cuda.get_device_name() if torch.cuda.is_available() else "processor, one thread"
    result = TrainingResult(
        device=where, torch=torch.__version__, batch=batch, repeat=repeat, bfloat16=bfloat16, steps=tuple(steps),
        targets=tuple(_targets(steps)),
    )  # fmt: skip
    if (console := show("training", result, json_path)) is None:
        return
    table = new_table("a step of training", ["network", "method"], ["ms", "/ plain", "peak, MB", "/ plain"])
    for index, one in enumerate(steps):
        last = steps[index + 1 : index + 2] and steps[index + 1].model != one.model
        table.add_row(
            one.model, one.contender, f"{one.seconds * 1e3:.2f}", f"{one.ratio:.2f}", f"{one.peak_bytes / 1e6:.1f}",
            f"{one.memory_ratio:.2f}", end_section=bool(last),
        )  # fmt: skip
    console.print(table)
    form = "bfloat16" if bfloat16 else "float32"
    console.print(f"{where}, PyTorch {torch.__version__}, {form}, {batch} images a step, best of {repeat}")
    print_targets(console, result.targets)
