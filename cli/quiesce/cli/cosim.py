"""``quiesce cosim``: run a network on the Verilog of a core."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from quiesce.cli.inputs import Inputs, choose_inputs
from quiesce.cli.networks import find_network
from quiesce.cli.options import InFile, config_options, console_for, core_config, json_option, write_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from quiesce.sim import Run, RunOptions
    from quiesce.spec.config import CoreConfig
    from quiesce.sw.format.network import Network

    Simulator = Literal["verilator", "icarus"]

__all__ = ["DENSE_IMAGES", "cosim"]

DENSE_IMAGES = 16
"""Images of the comparison with dense mode, whose cycles hardly depend on the image, and which takes longest."""


@contextmanager
def _bar(mode: str, n_items: int) -> "Iterator[Callable[[int], None]]":
    """A progress bar on standard error, if that is a terminal; yields what to call with the number of finished images."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        # No total makes the bar pulse: the simulator may have to be built first, and nobody knows for how long.
        task = progress.add_task(f"{mode}: preparing", total=None)
        yield lambda n_done: progress.update(task, description=f"{mode}: images", total=n_items, completed=n_done)


def _simulate(network: "Network", inputs: Inputs, config: "CoreConfig", options: "RunOptions") -> "Run":
    from quiesce.sim import cosim as run

    mode = ("dense mode" if options.dense else "event-driven") if config.zero_skipping else "plain core"
    with _bar(mode, len(inputs.acts)) as progress:
        return run(network, inputs.acts, config=config, labels=inputs.labels, options=options, progress=progress)


@click.command()
@click.argument("net")
@click.option(
    "--images",
    "n_images",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many images; by default all of --inputs, or the test images that are shipped.",
)
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder that holds mnist/ and cifar10/ with the official files, for more images than are shipped; by default "
    "$QUIESCE_DATA.",
)
@click.option(
    "--inputs",
    "inputs_path",
    type=InFile,
    metavar="FILE",
    help="Your own images as .npy, (N, rows, columns, channels): int8 as the network takes them, or real values.",
)
@config_options
@click.option(
    "--dense",
    is_flag=True,
    help=f"Turn zero-skipping off; otherwise the first {DENSE_IMAGES} images run so, too, for comparison, unless the "
    "core is a plain core.",
)
@click.option("--plain", is_flag=True, help=f"Run the first {DENSE_IMAGES} images on a plain dense core of the same size, too.")
@click.option(
    "--energy-images",
    type=click.IntRange(min=1),
    metavar="N",
    help="Images over which energy is measured; by default all. Fewer run again for it, after all have run without.",
)
@click.option("--no-energy", is_flag=True, help="Do not measure energy: the simulation is about three times as fast.")
@click.option(
    "--latency", default=32, show_default=True, type=click.IntRange(2, 65535), metavar="N", help="Latency of the memory, cycles."
)
@click.option(
    "--cold",
    is_flag=True,
    help="Load all weights for each image, while its first layers run: the fewest cycles for a single one.",
)
@click.option(
    "--simulator",
    type=click.Choice(["verilator", "icarus"]),
    default="verilator",
    show_default=True,
    help="Icarus Verilog is a second opinion, some hundred times slower; energy is not measured.",
)
@json_option  # fmt: skip
def cosim(
    net: str, n_images: int | None, data: Path | None, inputs_path: Path | None, preset_name: str, overrides: tuple[str, ...],
    dense: bool, plain: bool, energy_images: int | None, no_energy: bool, latency: int, cold: bool, simulator: "Simulator",
    json_path: Path | None,
) -> None:  # fmt: skip
    """Simulate a network on the Verilog of a core and compare it with the integer reference.

    NET is the name of a shipped network, such as lenet5-sparse, or a network file. Its cycles, effectual MACs and events are
    counted by the core, and its energy follows from the switching of the same Verilog.

    The exit status is 1 if an output or a count differs from the reference.
    """
    from quiesce.cli.report import energy_table, layer_table, totals
    from quiesce.sim import Bus, RunOptions
    from quiesce.sim.core_text import plain_core

    config = core_config(preset_name, overrides)
    dense = dense or not config.zero_skipping
    network = find_network(net)
    inputs = choose_inputs(network, n_images, data, inputs_path)

    options = RunOptions(
        dense=dense, cold=cold, bus=Bus(latency=latency), energy=not no_energy and simulator == "verilator",
        energy_images=energy_images, simulator=simulator,
    )  # fmt: skip
    in_dense = replace(options, dense=True)
    few = inputs.first(DENSE_IMAGES)
    engine = _simulate(network, few, plain_core(config), in_dense) if plain and config.zero_skipping else None
    baseline = _simulate(network, inputs if dense else few, config, in_dense)
    run = baseline if dense else _simulate(network, inputs, config, options)
    runs = {"dense": baseline} | ({} if dense else {"event_driven": run}) | ({"plain": engine} if engine else {})
    write_json(json_path, {"inputs": inputs.origin} | {name: one.to_dict() for name, one in runs.items()})
    if json_path != Path("-"):
        console = console_for(json_path)
        compared = None if dense else baseline
        console.print(layer_table(run, compared))
        if run.energy_items:
            console.print(energy_table(run))
        for line in totals(run, compared, inputs.origin, engine):
            console.print(escape(line), soft_wrap=True)
    if not all(one.bit_exact for one in runs.values()):
        click.get_current_context().exit(1)
