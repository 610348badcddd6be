"""``quiesce bench model``: the analytic cycle model."""

from pathlib import Path

import click

from quiesce.cli.app import CliError
from quiesce.cli.bench.common import cases, core_line, new_table, print_targets, show
from quiesce.cli.bench.options import images_option, latency_option, network_arguments, seed_option
from quiesce.cli.options import config_options, core_config, json_option

__all__ = ["model"]


@click.command()
@network_arguments
@images_option(2)
@latency_option(32)
@seed_option
@click.option("--dense", is_flag=True, help="Turn zero-skipping off.")
@config_options
@json_option
def model(
    names: tuple[str, ...], data: Path | None, n_images: int, latency: int, seed: int, dense: bool,
    preset_name: str, overrides: tuple[str, ...], json_path: Path | None,
) -> None:  # fmt: skip
    """Error of the analytic cycle model against the RTL, per layer: networks on images, and random layers.

    NET are names of shipped networks, by default all without winners, or network files.
    """
    from quiesce.sim.benchmarks.model import synthetic_cases, validate_model

    config = core_config(preset_name, overrides)
    if not config.zero_skipping:
        raise CliError("bench model: zero_skipping=0: the model does not know the plain engine, only the event-driven core")
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
