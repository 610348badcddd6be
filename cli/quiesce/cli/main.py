"""The ``quiesce`` command."""

import click

from quiesce.cli.app import App

__all__ = ["main"]

_COMMANDS = (
    "bench", "calibrate", "cosim", "faults", "gatesim", "inspect", "quantize", "results", "soak", "statistics", "synth",
    "thresholds", "train", "verilog",
)  # fmt: skip


@click.group(cls=App, names=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show where an error comes from.")
@click.version_option(package_name="quiesce", message="%(prog)s %(version)s")
def main(debug: bool) -> None:
    """An event-driven neural-network core: train and quantise for it, generate it, simulate it."""
