"""``quiesce bench utilisation``: busy lanes."""

from pathlib import Path

import click

from quiesce.cli.bench.shared import cases, core_line, images_option, network_arguments, print_targets, show
from quiesce.cli.options import config_option, json_option, latency_option
from quiesce.cli.tables import new_table, optional
from quiesce.spec.config import CoreConfig

__all__ = ["utilisation"]


@click.command()
@network_arguments
@images_option(4)
@latency_option(32)
@config_option()
@json_option
def utilisation(
    names: tuple[str, ...], data: Path | None, n_images: int, latency: int, config: CoreConfig,
    json_path: Path | None,
) -> None:  # fmt: skip
    """Share of lane-cycles that do an effectual MAC, per layer, and what the others wait for.

    NET are names of shipped networks, by default all without winners, or network files.
    """
    from quiesce.bench.utilisation import CAUSES, measure_utilisation

    result = measure_utilisation(cases(names, n_images, data), config, latency=latency)
    if (console := show("utilisation", result, json_path)) is None:
        return
    idle = [f"{cause}" for cause in CAUSES]
    numbers = ["weights", "cycles", "lane use", "bound", "idle: " + idle[0], *idle[1:], "cycles/bound"]
    table = new_table("lane utilisation, whole layers, per image", ["network", "layer", "kind", "group"], numbers)
    for use in result.layers:
        table.add_row(
            use.network, use.layer, use.kind, use.group, optional(use.weight_density, ".1%"), f"{use.cycles:,.0f}",
            f"{use.utilisation:.1%}", f"{use.lane_bound:.1%}", *(f"{use.idle[cause]:.1%}" for cause in CAUSES),
            f"{use.cycles / use.bound_cycles:.2f}" if use.group == "linear" and use.bound_cycles else "",
        )  # fmt: skip
    console.print(table)
    console.print(core_line(result.config, f"memory latency {latency}", f"{n_images} images of each network"))
    print_targets(console, result.targets)
