"""``quiesce cosim``: run a network on the Verilog of a core."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource
from rich.markup import escape

from quiesce.cli.app import CliError
from quiesce.cli.inputs import Inputs, choose_inputs, find_network
from quiesce.cli.options import (
    InFile,
    OutFile,
    check_plot,
    config_option,
    console_for,
    core_config,
    data_option,
    json_option,
    latency_option,
    write_json,
)
from quiesce.cli.progress import progress_bar
from quiesce.spec.config import CoreConfig

if TYPE_CHECKING:
    from typing import Literal

    from quiesce.sim import Run, RunOptions
    from quiesce.sw.format.network import Network

    Simulator = Literal["verilator", "icarus"]

__all__ = ["DENSE_IMAGES", "cosim"]

DENSE_IMAGES = 16
"""Images of the comparison with dense mode, whose cycles hardly depend on the image, and which takes longest."""


def _simulate(network: "Network", inputs: Inputs, config: CoreConfig, options: "RunOptions") -> "Run":
    from quiesce.sim import cosim as run

    mode = ("dense mode" if options.dense else "event-driven") if config.zero_skipping else "plain core"
    with progress_bar(f"{mode}: preparing") as update:
        return run(
            network, inputs.acts, config=config, labels=inputs.labels, options=options,
            progress=lambda n_done: update(description=f"{mode}: images", total=len(inputs.acts), completed=n_done),
        )  # fmt: skip


def _stream_core(config: CoreConfig) -> CoreConfig:
    """The core that was asked for, or if no preset was, the one for streams with the same changes."""
    context = click.get_current_context()
    if context.get_parameter_source("preset_name") is not ParameterSource.DEFAULT:
        return config
    return core_config("stream", context.params["overrides"])


@click.command()
@click.argument("net")
@click.option(
    "--images",
    "n_images",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many images; by default all of --inputs, or the test images that are shipped.",
)
@data_option
@click.option(
    "--inputs",
    "inputs_path",
    type=InFile,
    metavar="FILE",
    help="Your own images as .npy, (N, rows, columns, channels): int8 as the network takes them, or real values.",
)
@click.option(
    "--stream",
    "stream_text",
    is_flag=False,
    flag_value="",
    metavar="[FILE]",
    help="Take the images as frames of a stream, of which the core computes what changes: a video, .npy, or .npz with frames and "
    "perhaps starts and labels. Without FILE, test frames of the network's data set. By default the core is the preset stream.",
)
@click.option(
    "--delta-threshold",
    type=click.IntRange(0, 255),
    default=0,
    show_default=True,
    metavar="N",
    help="With --stream: least threshold, in steps, of maps that have one.",
)
@click.option(
    "--dilation",
    type=click.IntRange(min=0),
    metavar="N",
    help="With --stream: send whole pixels, and those within N rows and columns of one that changes by more than the threshold.",
)
@click.option("--plot", "plot_path", type=OutFile, metavar="FILE", help="With --stream: draw work, cycles and energy over time.")
@config_option()
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
@latency_option()
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
    net: str, n_images: int | None, data: Path | None, inputs_path: Path | None, stream_text: str | None, delta_threshold: int,
    dilation: int | None, plot_path: Path | None, config: CoreConfig,
    dense: bool, plain: bool, energy_images: int | None, no_energy: bool, latency: int, cold: bool, simulator: "Simulator",
    json_path: Path | None,
) -> None:  # fmt: skip
    """Simulate a network on the Verilog of a core and compare it with the integer reference.

    NET is the name of a shipped network, such as lenet5-sparse, or a network file. Its cycles, effectual MACs and events are
    counted by the core, and its energy follows from the switching of the same Verilog.

    With --stream the images are frames that follow each other, and each is computed from what has changed since the one before.

    The exit status is 1 if an output or a count differs from the reference.
    """
    from quiesce.cli.report import energy_table, layer_table, totals
    from quiesce.sim import Bus, RunOptions
    from quiesce.sim.core_text import plain_core

    network = find_network(net)
    if stream_text is not None:
        from quiesce.cli.stream import StreamWords, cosim_stream

        if plain or inputs_path is not None or simulator == "icarus":
            raise CliError("--stream goes with neither --inputs, --plain nor --simulator icarus")
        check_plot(plot_path)
        options = RunOptions(
            dense=dense, cold=cold, bus=Bus(latency=latency), energy=not no_energy, energy_items=energy_images, simulator="loop"
        )
        words = StreamWords(
            path=Path(stream_text) if stream_text else None, n_frames=n_images, data=data, delta_threshold=delta_threshold,
            dilation=dilation, plot_path=plot_path, json_path=json_path,
        )  # fmt: skip
        cosim_stream(network, _stream_core(config), options, words)
        return
    if delta_threshold or dilation is not None or plot_path is not None:
        raise CliError("--delta-threshold, --dilation and --plot go with --stream")
    dense = dense or not config.zero_skipping
    inputs = choose_inputs(network, n_images, data, inputs_path)

    options = RunOptions(
        dense=dense, cold=cold, bus=Bus(latency=latency), energy=not no_energy and simulator == "verilator",
        energy_items=energy_images, simulator=simulator,
    )  # fmt: skip
    in_dense = replace(options, dense=True)
    few = inputs.first(DENSE_IMAGES)
    plain_run = _simulate(network, few, plain_core(config), in_dense) if plain and config.zero_skipping else None
    baseline = _simulate(network, inputs if dense else few, config, in_dense)
    run = baseline if dense else _simulate(network, inputs, config, options)
    runs = {"dense": baseline} | ({} if dense else {"event_driven": run}) | ({"plain": plain_run} if plain_run else {})
    write_json(json_path, {"inputs": inputs.origin} | {name: one.to_dict() for name, one in runs.items()})
    if json_path != Path("-"):
        console = console_for(json_path)
        compared = None if dense else baseline
        console.print(layer_table(run, compared))
        if run.energy_items:
            console.print(energy_table(run))
        for line in totals(run, compared, inputs.origin, plain_run):
            console.print(escape(line), soft_wrap=True)
    if not all(one.bit_exact for one in runs.values()):
        click.get_current_context().exit(1)
