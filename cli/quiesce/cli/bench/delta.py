"""``quiesce bench delta``: temporal sparsity, from the network to the core."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from quiesce.cli.app import CliError
from quiesce.cli.bench.shared import core_line, print_targets, show
from quiesce.cli.inputs import find_network, test_stream
from quiesce.cli.options import config_option, data_option, json_option, latency_option
from quiesce.cli.progress import progress_bar
from quiesce.cli.tables import new_table, optional
from quiesce.spec.config import CoreConfig

if TYPE_CHECKING:
    from quiesce.bench.delta import Figures

__all__ = ["delta"]


def _nj(figures: "Figures") -> str:
    return optional(None if figures.energy_pj is None else figures.energy_pj / 1000, ",.0f")


@click.command()
@click.option("--task", type=click.Choice(["video", "audio"]), default="video", show_default=True, help="Hands or spoken digits.")
@click.option(
    "--frames", "n_frames", default=300, show_default=True, type=click.IntRange(min=2), metavar="N", help="Frames on the RTL."
)
@click.option(
    "--network", "replaced", multiple=True, metavar="ROLE=NET", help="Another network in a role, such as l1=FILE; repeatable."
)
@data_option
@latency_option()
@config_option("stream")
@json_option
def delta(
    task: str,
    n_frames: int,
    replaced: tuple[str, ...],
    data: Path | None,
    latency: int,
    config: CoreConfig,
    json_path: Path | None,
) -> None:
    """Networks with and without temporal sparsity on streams: accuracy, work, cycles and energy, and where it does not pay."""
    from quiesce.bench.delta import TASKS, measure_delta

    names = dict(TASKS[task].networks)
    for text in replaced:
        role, separator, name = text.partition("=")
        if not separator:
            raise CliError(f"--network {text}: not of the form ROLE=NET")
        if role not in names:
            raise CliError(f"--network {text}: the roles are {', '.join(names)}")
        names[role] = name
    networks = {role: find_network(name) for role, name in names.items()}
    frames = test_stream(networks["ReLU"], data)
    with progress_bar("preparing") as update:
        result = measure_delta(
            task, networks, frames, config, n_frames=n_frames, latency=latency,
            progress=lambda what: update(description=what),
        )  # fmt: skip
    if (console := show("delta", result, json_path)) is None:
        return
    numbers = [
        "accuracy", "changing", "MACs in full", "as a stream", "cycles in full", "as a stream", "one by one", "saved",
        "nJ in full", "as a stream",
    ]  # fmt: skip
    table = new_table(f"{frames.origin}, per frame", ["method", "network"], numbers)
    for one in result.networks:
        full, now = one.core.full, one.core.stream
        table.add_row(
            one.role, one.name, f"{one.accuracy:.2%}", f"{one.density:.1%}", f"{one.full_macs:,.0f}", f"{one.stream_macs:,.0f}",
            f"{full.cycles:,.0f}", f"{now.cycles:,.0f}", f"{one.core.single.cycles:,.0f}", f"{full.cycles / now.cycles:.2f}x",
            _nj(full), _nj(now),
        )  # fmt: skip
    console.print(table)
    numbers = ["changing", "MACs", "in full", "cycles", "in full", "nJ", "in full"]
    scenes = new_table("a frame of delta + l1 after one that stood still", ["then"], numbers)
    for scene in result.scenes:
        now, full = scene.stream, scene.full
        scenes.add_row(
            scene.name, f"{scene.changing:.1%}", f"{now.effectual_macs:,.0f}", f"{full.effectual_macs:,.0f}",
            f"{now.cycles:,.0f}", f"{full.cycles:,.0f}", _nj(now), _nj(full),
        )  # fmt: skip
    console.print(scenes)
    sweep = new_table("cycles over those of the frame for itself", ["pixels that change"], ["scattered", "as a block"])
    for point in result.sweep:
        sweep.add_row(f"{point.share:.0%}", f"{point.scattered:.2f}", f"{point.block:.2f}")
    console.print(sweep)
    for kind, share in result.break_even.items():
        console.print(f"break-even, {kind}: {'never' if share is None else f'{share:.0%} of the pixels'}")
    core = result.networks[0].core
    console.print(core_line(result.config, f"memory latency {latency}", f"{core.frames} frames on the RTL, all bit-exact"))
    print_targets(console, result.targets)
