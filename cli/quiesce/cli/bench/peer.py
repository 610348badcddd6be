"""``quiesce bench peer``: a dense engine with as many multipliers."""

from pathlib import Path

import click

from quiesce.cli.bench.shared import core_line, seed_option, show, verdict
from quiesce.cli.options import config_option, json_option, latency_option
from quiesce.cli.tables import new_table
from quiesce.spec.config import CoreConfig

__all__ = ["peer"]

_CORES = ("n_cores=4", "n_lanes=1", "acc_depth=512", "max_layers=8")
"""128 lanes as four cores; memories that are cleared at the start no larger than a layer needs."""


@click.command()
@latency_option(100)
@seed_option
@config_option("wide", _CORES)
@json_option
def peer(latency: int, seed: int, config: CoreConfig, json_path: Path | None) -> None:
    """Cycles of five convolutions, cold, with all memory traffic, beside those of a dense engine of 128 MACs."""
    from quiesce.bench.peer import measure_peer

    result = measure_peer(config, latency=latency, seed=seed)
    if (console := show("peer", result, json_path)) is None:
        return
    numbers = ["density", "cycles", "dense engine", "speed-up", "lane use", "target"]
    table = new_table("valid convolutions, one cold input, start to interrupt", ["layer"], numbers)
    for point in result.points:
        table.add_row(
            point.layer, f"{point.density:.0%}", f"{point.cycles:,}", f"{point.peer_cycles:,}", f"{point.speedup:.2f}x",
            f"{point.lane_utilisation:.1%}", verdict(point.target),
        )  # fmt: skip
    console.print(table)
    console.print(core_line(result.config, f"memory latency {latency}", f"seed {seed}"))
    console.print(f"dense engine: {result.peer}", soft_wrap=True)
