"""``quiesce train``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from quiesce.cli.options import InFile, OutFile, console_for

if TYPE_CHECKING:
    from quiesce.sw.train.report import TrainReport

__all__ = ["show_report", "train"]


def show_report(report: "TrainReport", console: Console) -> None:
    """Accuracy and, layer by layer, the work of one image."""
    table = Table(title=escape(f"{report.name}, per image"), title_justify="left", show_footer=True)
    table.add_column("layer", "all", overflow="fold")
    table.add_column("density", justify="right")
    table.add_column("events", f"{report.events:,.0f}", justify="right")
    table.add_column("effectual MACs", f"{report.effectual_macs:,.0f}", justify="right")
    table.add_column("dense MACs", f"{report.dense_macs:,}", justify="right")
    for layer in report.layers:
        counts = (f"{layer.density:.1%}", f"{layer.events:,.0f}", f"{layer.effectual_macs:,.0f}", f"{layer.dense_macs:,}")
        table.add_row(escape(layer.name), *counts)
    console.print(table)
    for line in (
        f"accuracy on {report.n_test:,} test images: {report.int8_accuracy:.2%} int8, {report.float_accuracy:.2%} real-valued",
        f"{report.epochs} epochs were trained, those included whose weights were given up",
        f"network: {report.path}",
        f"model card: {report.card}",
    ):
        console.print(escape(line), soft_wrap=True)


@click.command()
@click.option("--recipe", type=InFile, required=True, metavar="FILE", help="What to train and how, in TOML.")
@click.option("--out", type=OutFile, required=True, metavar="FILE",
              help="Network file to write; its model card goes next to it.")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
              help="Folder that holds mnist/ and cifar10/ with the official files; default $QUIESCE_DATA.")
@click.option("--log", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Folder for figures of each epoch: train.csv and event files for TensorBoard.")
@click.option("--resume", is_flag=True, help="Continue from the checkpoint of an interrupted run.")  # fmt: skip
def train(recipe: Path, out: Path, data: Path | None, log: Path | None, resume: bool) -> None:
    """Train a network and quantise it."""
    from quiesce.sw.train import train as run

    show_report(run(recipe, out, data, resume=resume, log=log), console_for(None))
