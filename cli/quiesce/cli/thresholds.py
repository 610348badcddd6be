"""``quiesce thresholds``: delta thresholds for a network that was not trained for streams."""

from dataclasses import replace
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape

from quiesce.cli.inputs import find_network, held_out_stream, test_stream
from quiesce.cli.options import InFile, OutFile, console_for, data_option
from quiesce.cli.progress import progress_bar
from quiesce.cli.tables import new_table
from quiesce.sw.data.streams import FrameStream, cut, read_stream

if TYPE_CHECKING:
    from quiesce.sw.format.network import Network
    from quiesce.sw.sparsity.statistics import Statistics

    Judged = tuple[Statistics, Statistics, Statistics]
    """Work and accuracy of frames each for itself, as streams without thresholds, and with them."""

__all__ = ["thresholds"]

_CARD = """\
# {name}

{origin}

- **Command**: `{command}`

| | each frame for itself | as a stream |
|---|---|---|
| accuracy on the test frames | {full_accuracy} | {accuracy} |
| effectual MACs per frame | {full_macs} | {macs} |

First frames of streams are left out of all figures.

| map | delta threshold | as the input of | changing | events | effectual MACs | dense MACs |
|---|---|---|---|---|---|---|
{rows}
"""


@click.command()
@click.argument("net")
@click.option(
    "--stream",
    "paths",
    type=InFile,
    multiple=True,
    metavar="FILE",
    help="Stream to find them on, as for quiesce cosim; may be repeated. By default the last tenth of the training frames of the "
    "network's data set.",
)
@click.option(
    "--allowed-loss",
    default=0.2,
    show_default=True,
    type=click.FloatRange(min=0),
    metavar="X",
    help="How far outputs may be from those without thresholds: root mean square over their standard deviation.",
)
@click.option("--length", default=96, show_default=True, type=click.IntRange(min=2), metavar="N", help="Frames of a sequence.")
@click.option(
    "--sequences", "most", default=32, show_default=True, type=click.IntRange(min=1), metavar="N", help="How many, at most."
)
@click.option(
    "--dilation",
    type=click.IntRange(min=0),
    metavar="N",
    help="Noise gate of the input: whole pixels are sent, and those within N rows and columns of one.",
)
@data_option
@click.option(
    "-o", "--out", type=OutFile, required=True, metavar="FILE", help="Network file to write; a model card goes next to it."
)
def thresholds(
    net: str, paths: tuple[Path, ...], allowed_loss: float, length: int, most: int, dilation: int | None, data: Path | None,
    out: Path,
) -> None:  # fmt: skip
    """Find delta thresholds: how much a map may change without anything being sent, from the input to the output.

    NET is the name of a shipped network, or a network file, that need not have been trained for streams; no labels are needed.
    What the thresholds cost on frames that they were not found on is measured on the test set of the network's data set.
    """
    from quiesce.sw.format.container import save_network
    from quiesce.sw.stream import choose_delta_thresholds, delta_maps, with_delta_thresholds

    network = find_network(net)
    sources = [read_stream(path, network.input) for path in paths] or [held_out_stream(network, data)]
    sequences = cut(_joined(sources), length, most)
    with progress_bar("finding thresholds"):
        found = choose_delta_thresholds(network, sequences, allowed_loss=allowed_loss, dilation=dilation)
    found = replace(found, name=out.stem)
    exact = with_delta_thresholds(network, dict.fromkeys(delta_maps(network), 0))
    test = None if paths else test_stream(network, data)
    judged, where = (_joined(sources), "the same streams") if test is None else (test, test.origin)
    figures = _judge(exact, found, judged)
    save_network(out, found)
    words = [f"quiesce thresholds {Path(net).name} --out {out.name}", *(f"--stream {path.name}" for path in paths)]
    words += [f"--allowed-loss {allowed_loss:g}"] if allowed_loss != 0.2 else []
    words += [] if dilation is None else [f"--dilation {dilation}"]
    origin = (
        f"`{network.name}` with delta thresholds; nothing was trained. They were found on {len(sequences)} sequences of {length} "
        f"frames of {sources[0].origin} such that outputs stay within {allowed_loss:g} of their standard deviation. Figures are "
        f"of {len(judged):,} frames: {where}."
    )
    card = _card(found, figures, fill(origin, 128), " ".join(words))
    out.with_suffix(".md").write_text(card)
    _show(console_for(None), found, figures, where)
    click.echo(f"network: {out}\nmodel card: {out.with_suffix('.md')}")


def _joined(sources: list[FrameStream]) -> FrameStream:
    import numpy as np

    labels = None if any(source.labels is None for source in sources) else np.concatenate([one.labels for one in sources])
    return FrameStream(
        np.concatenate([source.acts for source in sources]), np.concatenate([source.starts for source in sources]), labels,
        ", ".join(source.origin for source in sources),
    )  # fmt: skip


def _judge(exact: "Network", found: "Network", stream: FrameStream) -> "Judged":
    import numpy as np

    from quiesce.sw.sparsity.statistics import statistics
    from quiesce.sw.sparsity.temporal import temporal_statistics

    streams, later = stream.streams(), ~stream.starts
    labels = None if stream.labels is None else stream.labels.astype(np.uint8)
    alone = statistics(exact, stream.acts[later], None if labels is None else labels[later])
    before, after = (temporal_statistics(network, stream.acts, labels, streams) for network in (exact, found))
    return alone, before, after


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"


def _card(found: "Network", figures: "Judged", origin: str, command: str) -> str:
    alone, before, after = figures
    rows = "\n".join(
        f"| {layer.inputs[0]} | {_threshold(found, layer.inputs[0])} | {layer.name} | {of.density:.2%} | {of.events:,.1f} "
        f"| {of.effectual_macs:,.0f} | {of.dense_macs:,} |"
        for layer, of in zip(found.layers, after.layers, strict=True)
    )
    return _CARD.format(
        name=found.name, origin=origin, command=command, rows=rows, full_accuracy=_percent(alone.accuracy),
        accuracy=_percent(after.accuracy), full_macs=f"{alone.effectual_macs:,.0f}",
        macs=f"{after.effectual_macs:,.0f}; {before.effectual_macs:,.0f} without thresholds",
    )  # fmt: skip


def _threshold(network: "Network", name: str) -> str:
    threshold = network.delta_threshold(name)
    return "" if threshold is None else str(threshold)


def _show(console: Console, found: "Network", figures: "Judged", where: str) -> None:
    _, before, after = figures
    table = new_table(
        f"{found.name}, per frame", ["map", "as the input of"],
        ["delta threshold", "effectual MACs in full", "of changes", "with thresholds"],
    )  # fmt: skip
    for index, layer in enumerate(found.layers):
        macs = (statistics.layers[index].effectual_macs for statistics in figures)
        sources = ", ".join(layer.inputs)
        table.add_row(
            escape(sources), escape(layer.name), _threshold(found, layer.inputs[0]), *(f"{value:,.0f}" for value in macs)
        )
    table.add_section()
    table.add_row("all", "", "", *(f"{one.effectual_macs:,.0f}" for one in figures))
    console.print(table)
    if after.accuracy is not None:
        line = f"accuracy: {_percent(after.accuracy)} (without thresholds {_percent(before.accuracy)})"
        console.print(line, highlight=False)
    console.print(escape(f"measured on {after.n_images:,} frames: {where}"), highlight=False)
