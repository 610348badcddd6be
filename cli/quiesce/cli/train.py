"""``quiesce train``."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape

from quiesce.cli.options import OutFile, console_for, data_option
from quiesce.cli.statistics import statistics_table

if TYPE_CHECKING:
    from quiesce.sw.train.report import TrainReport

__all__ = ["show_report", "train"]


def show_report(report: "TrainReport", console: Console) -> None:
    """Accuracy and, layer by layer, the work of one image."""
    console.print(statistics_table(report.test, None))
    accuracies = f"{report.int8_accuracy:.2%} int8, {report.float_accuracy:.2%} real-valued"
    for line in (
        f"accuracy on {report.test.n_images:,} test images: {accuracies}",
        f"{report.epochs} epochs were trained, those included whose weights were given up",
        f"network: {report.path}",
        f"model card: {report.card}",
    ):
        console.print(escape(line), soft_wrap=True)


class _Recipe(click.ParamType[Path]):
    """A shipped recipe by its name, or a file."""

    name = "recipe"

    def convert(self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        from quiesce import models

        text = str(value)
        if path := models.recipe_path(text):
            return path
        if not Path(text).is_file():
            self.fail(f"{text!r} is neither a file nor a recipe that is shipped ({', '.join(models.recipes())}).", param, ctx)
        return Path(text)


@click.command()
@click.option(
    "--recipe",
    type=_Recipe(),
    required=True,
    metavar="NAME|FILE",
    help="What to train and how: a shipped recipe, such as lenet5, or a TOML file.",
)
@click.option("--out", type=OutFile, required=True, metavar="FILE", help="Network file to write; its model card goes next to it.")
@data_option
@click.option(
    "--record",
    "log",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder for figures of each epoch: train.csv and event files for TensorBoard.",
)
@click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Replace a value of the recipe, for example seed=2 or methods.0.b=0.1; may be repeated.",
)
@click.option("--resume", is_flag=True, help="Continue from the checkpoint of an interrupted run.")  # fmt: skip
def train(recipe: Path, out: Path, data: Path | None, log: Path | None, overrides: tuple[str, ...], resume: bool) -> None:
    """Train a network and quantise it."""
    from quiesce.sw.train import train as run

    report = run(recipe, out, data, resume=resume, log=log, overrides=overrides)
    if int(os.environ.get("RANK", "0")) == 0:  # of several processes that torchrun started
        show_report(report, console_for(None))
