"""``quiesce statistics``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape
from rich.table import Table

from quiesce.cli.inputs import choose_inputs, find_network, test_set
from quiesce.cli.options import InFile, OutFile, check_plot, console_for, data_option, json_option, write_json

if TYPE_CHECKING:
    from quiesce.sw.sparsity.statistics import Statistics

__all__ = ["statistics", "statistics_table"]


def statistics_table(now: "Statistics", baseline: "Statistics | None") -> Table:
    """One row a layer, means over the images."""
    title = f"{now.network}, per image" + (f"; suppression of what {baseline.network} has" if baseline else "")
    table = Table(title=escape(title), title_justify="left", show_footer=True)
    ratios = {} if baseline is None else now.suppression(baseline)
    table.add_column("layer", "all", overflow="fold")
    table.add_column("density", justify="right")
    table.add_column("events", f"{now.events:,.1f}", justify="right")
    if baseline:
        table.add_column("suppression", _times(ratios["all"]), justify="right")
    table.add_column("effectual MACs", f"{now.effectual_macs:,.0f}", justify="right")
    table.add_column("dense MACs", f"{now.dense_macs:,}", justify="right")
    table.add_column("effectual share", f"{now.effectual_macs / now.dense_macs:.1%}", justify="right")
    for layer in now.layers:
        suppression = [_times(ratios[layer.name])] if baseline else []
        share = f"{layer.effectual_macs / layer.dense_macs:.1%}" if layer.dense_macs else ""
        macs = f"{layer.effectual_macs:,.0f}", f"{layer.dense_macs:,}", share
        table.add_row(escape(layer.name), f"{layer.density:.1%}", f"{layer.events:,.1f}", *suppression, *macs)
    return table


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}x"


@click.command()
@click.argument("net")
@click.option("--baseline", metavar="NET", help="Network that suppression is relative to, such as one trained without methods.")
@click.option("--images", "n_images", type=click.IntRange(min=1), metavar="N", help="First test images; default all.")
@data_option
@click.option("--inputs", type=InFile, metavar="FILE", help="Instead, maps (N, rows, cols, chans) in an .npy file.")
@click.option("--plot", "plot_path", type=OutFile, metavar="FILE", help="Also draw density and work: .svg, .png or .pdf.")
@json_option  # fmt: skip
def statistics(
    net: str, baseline: str | None, n_images: int | None, data: Path | None, inputs: Path | None, plot_path: Path | None,
    json_path: Path | None,
) -> None:  # fmt: skip
    """Density, suppression and effectual MACs of each layer over the whole test set, by the integer reference.

    NET is the name of a shipped network, such as lenet5-sparse, or a network file.
    """
    from quiesce.sw.sparsity.statistics import statistics as measure

    check_plot(plot_path)
    network = find_network(net)
    chosen = test_set(network, data).first(n_images) if inputs is None else choose_inputs(network, n_images, data, inputs)
    now = measure(network, chosen.acts, chosen.labels)
    before = None if baseline is None else measure(find_network(baseline), chosen.acts, chosen.labels)
    if plot_path is not None:
        from quiesce.sw.sparsity.plot import plot

        plot(plot_path, [now] if before is None else [before, now])
    write_json(json_path, now.to_json(before))
    if json_path == Path("-"):
        return
    console = console_for(json_path)
    console.print(statistics_table(now, before))
    console.print(f"{now.n_images:,} images, {escape(chosen.origin)}", soft_wrap=True)
    for one in (now,) if before is None else (before, now):
        if one.accuracy is not None:
            console.print(f"accuracy of {escape(one.network)}: {one.accuracy:.2%}")
