"""``quiesce bench model``: the analytic cycle model."""

from pathlib import Path

import click
import numpy as np

from quiesce.cli.app import CliError
from quiesce.cli.bench.shared import cases, core_line, images_option, network_arguments, print_targets, seed_option, show
from quiesce.cli.options import config_option, json_option, latency_option
from quiesce.cli.tables import new_table
from quiesce.spec.config import CoreConfig

__all__ = ["model"]


@click.command()
@network_arguments
@images_option(2)
@latency_option(32)
@seed_option
@click.option("--dense", is_flag=True, help="Turn zero-skipping off.")
@click.option(
    "--random",
    "n_random",
    type=click.IntRange(min=1),
    metavar="N",
    help="Random networks of N seeds instead, the first by --seed, behind memories of latency 2, 32 or 200.",
)
@config_option()
@json_option
def model(
    names: tuple[str, ...], data: Path | None, n_images: int, latency: int, seed: int, dense: bool,
    n_random: int | None, config: CoreConfig, json_path: Path | None,
) -> None:  # fmt: skip
    """Error of the analytic cycle model against the RTL, per layer: networks on images, and random layers.

    With --random, of random networks of any kinds of layers, in which each seed is a network.

    NET are names of shipped networks, by default all without winners, or network files.
    """
    from quiesce.bench.model import synthetic_cases, validate_model

    if n_random and (names or dense):
        raise CliError("bench model: --random takes no networks and no --dense")
    if not config.zero_skipping:
        raise CliError("bench model: zero_skipping=0: the model does not know the plain core, only the event-driven core")
    if n_random:
        _random(config, n_random, seed, json_path)
        return
    chosen = [*cases(names, n_images, data), *synthetic_cases(seed)]
    result = validate_model(chosen, config, dense=dense, latency=latency, seed=seed)
    if (console := show("model", result, json_path)) is None:
        return
    title = "cycles in dense mode, RTL and model" if dense else "cycles, RTL and model"
    table = new_table(title, ["network", "layer", "kind"], ["RTL", "model", "error"])
    for point in result.points:
        table.add_row(point.network, point.layer, point.kind, f"{point.cycles:,}", f"{point.predicted:,}", f"{point.error:+.2%}")
    console.print(table)
    console.print(core_line(result.config, f"memory latency {latency}", f"{n_images} images of each network", f"seed {seed}"))
    print_targets(console, result.targets)


def _random(config: CoreConfig, n_networks: int, seed: int, json_path: Path | None) -> None:
    from quiesce.bench import random_model

    result = random_model.validate_random(config, n_networks, seed)
    if (console := show("model", result, json_path)) is None:
        return
    table = new_table(
        f"error of the model on layers of more than {random_model.LEAST_CYCLES} cycles",
        ["latency"], ["layers", "median", "95 % below", "worst", "its seed", "layer", "RTL", "model"],
    )  # fmt: skip
    for latency in random_model.LATENCIES:
        points = sorted((p for p in result.points if p.latency == latency), key=lambda point: abs(point.error))
        if points:
            worst, errors = points[-1], [abs(point.error) for point in points]
            table.add_row(
                str(latency), f"{len(points)}", f"{np.median(errors):.2%}", f"{np.percentile(errors, 95):.2%}",
                f"{worst.error:+.2%}", str(worst.seed), worst.layer, f"{worst.cycles:,}", f"{worst.predicted:,}",
            )  # fmt: skip
    console.print(table)
    console.print(core_line(result.config, f"{n_networks} networks ({result.refused} refused)", f"seeds from {seed}"))
    print_targets(console, result.targets)
