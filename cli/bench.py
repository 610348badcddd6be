"""``quiesce bench``: figures that compare two things in one run."""

from pathlib import Path

import click

from quiesce.cli.inputs import choose_inputs
from quiesce.cli.networks import find_network
from quiesce.cli.options import config_options, console_for, core_config, json_option, write_json

__all__ = ["bench"]


@click.group()
def bench() -> None:
    """Measure and compare, side by side in one run."""


@bench.command()
@click.argument("net", default="lenet5-sparse")
@click.option("--images", "n_images", default=64, show_default=True, type=click.IntRange(min=1), metavar="N")
@click.option("--repeat", default=3, show_default=True, type=click.IntRange(min=1), metavar="N", help="Runs; the best counts.")
@config_options
@json_option
def speed(net: str, n_images: int, repeat: int, preset_name: str, overrides: tuple[str, ...], json_path: Path | None) -> None:
    """Co-simulated cycles per second, and those of a bare C++ loop over the same Verilated bench."""
    from quiesce.sim.speed import network_speed

    config = core_config(preset_name, overrides)
    network = find_network(net)
    inputs = choose_inputs(network, n_images, None, None)
    result = network_speed(network, inputs.acts, config=config, repeat=repeat)
    figures = {"cycles": result.cycles, "cosim_per_s": result.cosim, "loop_per_s": result.loop, "ratio": result.ratio}
    write_json(json_path, {"network": network.name, "config": config.to_dict(), **figures})
    if json_path != Path("-"):
        console = console_for(json_path)
        console.print(f"co-simulation: {result.cosim / 1e6:.2f} million cycles/s over {result.cycles:,} cycles")
        console.print(f"bare C++ loop: {result.loop / 1e6:.2f} million cycles/s; ratio {result.ratio:.2f}")
