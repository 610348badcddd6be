"""The ``quiesce`` command."""

import click

from quiesce.cli.app import App
from quiesce.cli.bench import bench
from quiesce.cli.calibrate import calibrate
from quiesce.cli.cosim import cosim
from quiesce.cli.faults import faults
from quiesce.cli.gatesim import gatesim
from quiesce.cli.inspect import inspect
from quiesce.cli.quantize import quantize
from quiesce.cli.results import results
from quiesce.cli.soak import soak
from quiesce.cli.statistics import statistics
from quiesce.cli.synth import synth
from quiesce.cli.train import train
from quiesce.cli.verilog import verilog

__all__ = ["main"]


@click.group(cls=App, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show where an error comes from.")
@click.version_option(package_name="quiesce", message="%(prog)s %(version)s")
def main(debug: bool) -> None:
    """An event-driven neural-network core: train and quantise for it, generate it, simulate it."""


for _command in (train, quantize, inspect, statistics, verilog, synth, gatesim, calibrate, cosim, soak, faults, bench, results):
    main.add_command(_command)
