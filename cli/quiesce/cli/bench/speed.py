"""``quiesce bench speed``: co-simulation, counting activity or not, against a bare loop."""

from pathlib import Path

import click

from quiesce.cli.bench.shared import core_line
from quiesce.cli.inputs import choose_inputs, find_network
from quiesce.cli.options import console_for, core_config, json_option, write_json
from quiesce.cli.tables import new_table, optional
from quiesce.spec.config import PRESETS

__all__ = ["speed"]


@click.command()
@click.argument("net", default="lenet5-sparse")
@click.option("--images", "n_images", default=64, show_default=True, type=click.IntRange(min=1), metavar="N")
@click.option("--repeat", default=3, show_default=True, type=click.IntRange(min=1), metavar="N", help="Runs; the best counts.")
@click.option(
    "--preset",
    "preset_names",
    default=("base", "wide"),
    show_default=True,
    multiple=True,
    metavar="|".join(PRESETS),
    help="Core; may be repeated.",
)
@click.option("--set", "overrides", metavar="FIELD=VALUE", multiple=True, help="Replace one field of all; may be repeated.")
@json_option  # fmt: skip
def speed(
    net: str, n_images: int, repeat: int, preset_names: tuple[str, ...], overrides: tuple[str, ...], json_path: Path | None
) -> None:
    """Co-simulated cycles per second, with the activity of all nets counted, too, and those of a bare C++ loop over the same
    Verilated bench.
    """
    from quiesce.bench.speed import network_speed

    network = find_network(net)
    inputs = choose_inputs(network, n_images, None, None)
    configs = [core_config(name, overrides) for name in preset_names]
    results = [network_speed(network, inputs.acts, config=config, repeat=repeat) for config in configs]
    cores = [
        {
            "config": config.to_dict(), "lanes": config.total_lanes, "cycles": result.cycles, "cosim_per_s": result.cosim,
            "loop_per_s": result.loop, "ratio": result.ratio, "counting_per_s": result.counting,
        }
        for config, result in zip(configs, results, strict=True)
    ]  # fmt: skip
    write_json(json_path, {"bench": "speed", "network": network.name, "items": n_images, "cores": cores})
    if json_path == Path("-"):
        return
    numbers = ["lanes", "cycles", "co-simulation, Mcycles/s", "bare C++ loop, Mcycles/s", "ratio", "counting, Mcycles/s", "ratio"]
    table = new_table(f"speed of simulation, {network.name}, {n_images} images", ["core"], numbers)
    for config, result in zip(configs, results, strict=True):
        table.add_row(
            core_line(config.to_dict()).removeprefix("core: "), str(config.total_lanes), f"{result.cycles:,}",
            f"{result.cosim / 1e6:.2f}", f"{result.loop / 1e6:.2f}", f"{result.ratio:.2f}",
            optional(result.counting and result.counting / 1e6, ".2f"),
            optional(result.counting and result.counting / result.cosim, ".2f"),
        )  # fmt: skip
    console_for(json_path).print(table)
