"""``quiesce bench density``: speed-up over dense mode."""

from pathlib import Path

import click

from quiesce.cli.bench.shared import core_line, seed_option, show, verdict
from quiesce.cli.options import config_option, json_option, latency_option
from quiesce.cli.tables import new_table
from quiesce.spec.config import CoreConfig

__all__ = ["density"]


@click.command()
@click.option("--items", default=2, show_default=True, type=click.IntRange(min=1), metavar="N", help="Inputs of each density.")
@latency_option(32)
@seed_option
@config_option()
@json_option
def density(items: int, latency: int, seed: int, config: CoreConfig, json_path: Path | None) -> None:
    """Speed-up of a 3x3 convolution over the same core in dense mode, by the density of random activations."""
    from quiesce.bench.density import measure_density

    result = measure_density(config, items=items, latency=latency, seed=seed)
    if (console := show("density", result, json_path)) is None:
        return
    numbers = ["density", "cycles", "dense mode, cycles", "speed-up", "speed-up / ideal", "target"]
    table = new_table(f"{result.layer.name}, padding {result.layer.pad}, per input", [], numbers)
    for point in result.points:
        table.add_row(
            f"{point.density:.2%}", f"{point.cycles:,.0f}", f"{point.dense_cycles:,.0f}", f"{point.speedup:.2f}x",
            f"{point.share_of_ideal:.3f}", verdict(point.target),
        )  # fmt: skip
    console.print(table)
    console.print(core_line(result.config, f"memory latency {latency}", f"{items} inputs of each density", f"seed {seed}"))
