"""``quiesce bench peer``: a dense engine with as many multipliers."""

from pathlib import Path

import click

from quiesce.cli.bench.common import core_line, new_table, show, verdict
from quiesce.cli.bench.options import latency_option, seed_option
from quiesce.cli.options import core_config, json_option
from quiesce.spec.config import PRESETS

__all__ = ["peer"]

_CORES = ("n_cores=4", "n_lanes=1", "acc_depth=512", "max_layers=8")
"""128 lanes as four cores; memories that are cleared at the start no larger than a layer needs."""


@click.command()
@latency_option(100)
@seed_option
@click.option("--preset", "preset_name", default="wide", show_default=True, metavar="|".join(PRESETS))
@click.option(
    "--set", "overrides", metavar="FIELD=VALUE", multiple=True, default=_CORES, show_default=True,
    help="Replace one field of the preset; may be repeated.",
)  # fmt: skip
@json_option
def peer(latency: int, seed: int, preset_name: str, overrides: tuple[str, ...], json_path: Path | None) -> None:
    """Cycles of five convolutions, cold, with all memory traffic, beside those of a dense engine of 128 MACs."""
    from quiesce.bench.peer import measure_peer

    result = measure_peer(core_config(preset_name, overrides), latency=latency, seed=seed)
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
