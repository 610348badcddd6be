"""``quiesce bench scaling``: speed-up of several cores."""

from pathlib import Path

import click

from quiesce.cli.bench.shared import core_line, seed_option, show
from quiesce.cli.options import config_option, json_option, latency_option
from quiesce.cli.tables import new_table
from quiesce.spec.config import CoreConfig

__all__ = ["scaling"]


@click.command()
@click.option("--items", default=2, show_default=True, type=click.IntRange(min=1), metavar="N", help="Inputs of each run.")
@click.option("--density", default=0.3, show_default=True, type=click.FloatRange(0, 1), help="Nonzero share of activations.")
@latency_option(32)
@seed_option
@config_option()
@json_option
def scaling(
    items: int,
    density: float,
    latency: int,
    seed: int,
    config: CoreConfig,
    json_path: Path | None,
) -> None:
    """Speed-up of 2, 4 and 8 cores over one on a 3x3 convolution with random activations."""
    from quiesce.bench.scaling import measure_scaling

    result = measure_scaling(config, items=items, density=density, latency=latency, seed=seed)
    if (console := show("scaling", result, json_path)) is None:
        return
    numbers = ["cores", "cycles", "speed-up", "efficiency", "lane use", "beats read per cycle"]
    table = new_table(f"{result.layer.name}, padding {result.layer.pad}, density {density:.3g}, per input", [], numbers)
    for point in result.points:
        table.add_row(
            str(point.n_cores), f"{point.cycles:,.0f}", f"{point.speedup:.2f}x", f"{point.efficiency:.1%}",
            f"{point.lane_utilisation:.1%}", f"{point.beats_per_cycle:.2f}",
        )  # fmt: skip
    console.print(table)
    line = core_line({**result.config, "n_cores": 1}, f"memory latency {latency}", f"{items} inputs", f"seed {seed}")
    console.print(f"each {line}")
