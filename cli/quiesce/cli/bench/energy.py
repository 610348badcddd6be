"""``quiesce bench energy``: energy beside two dense engines, and by activity."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from quiesce.cli.bench.shared import cases, core_line, images_option, network_arguments, seed_option, show
from quiesce.cli.options import OutFile, check_plot, config_option, json_option, latency_option
from quiesce.cli.tables import new_table, optional
from quiesce.spec.config import CoreConfig

if TYPE_CHECKING:
    from quiesce.bench.energy import EnergyResult, EnergyRow

__all__ = ["energy"]

NETWORKS = ("lenet5-sparse", "lenet5")
LAYERS_OF = ("convnet5", "resnet20")


def _table(title: str, rows: "Iterable[EnergyRow]") -> Table:
    numbers = ["cycles", "nJ", "largest classes", "off-chip, nJ", "pJ per MAC", "x floor", "TOPS/W", "mW", "x event-driven"]
    table = new_table(title, ["workload", "engine"], numbers)
    for row in rows:
        largest = sorted(row.energy_pj.items(), key=lambda item: -item[1])[:3]
        one = row.summary
        table.add_row(
            row.workload, row.engine, f"{row.cycles:,.0f}", f"{one.on_chip_pj / 1000:,.2f}",
            ", ".join(f"{name} {picojoules / one.on_chip_pj:.0%}" for name, picojoules in largest),
            f"{one.off_chip_pj / 1000:,.2f}", optional(one.pj_per_mac, ".2f"), optional(one.floor_ratio, ".1f"),
            optional(one.tops_per_watt, ".3f"), optional(one.power_mw, ".2f"), f"{row.ratio:.2f}",
        )  # fmt: skip
    return table


def _activity_table(result: "EnergyResult") -> Table:
    numbers = ["activity", "cycles", "nJ", "x straight line", "mW at dense mode's rate", "x straight line"]
    table = new_table(f"{result.layer.name}, per input, by the density of its activations", [], numbers)
    for point in result.points:
        table.add_row(
            f"{point.activity:.1%}", f"{point.cycles:,.0f}", f"{point.energy_pj / 1000:,.2f}",
            optional(point.energy_ratio, ".2f"), f"{point.power_mw:.3f}", optional(point.power_ratio, ".2f"),
        )  # fmt: skip
    return table


def _print(console: Console, result: "EnergyResult") -> None:
    console.print(_table("networks, per image", result.networks))
    if result.layers:
        console.print(_table("single layers on the activations that reach them in their networks, per image", result.layers))
    console.print(_activity_table(result))
    console.print(f"in dense mode: {result.dense_cycles:,.0f} cycles, {result.dense_pj / 1000:,.2f} nJ")
    facts = [f"memory latency {result.latency}", f"{result.images} images of each network", f"seed {result.seed}"]
    console.print(core_line(result.config, *facts), soft_wrap=True)
    error = result.basis.get("error")
    console.print(
        f"coefficients: {result.coefficients}, {result.basis['clock_mhz']:g} MHz, "
        + ("not calibrated" if error is None else f"total within {error:.0%} on workloads that were not fitted"),
        soft_wrap=True,
    )
    idle = result.idle
    free, gates = sum(idle.free_mw.values()), sum(idle.gates_mw.values())
    parts = f"{idle.leakage_mw:.2f} leakage, {free:.2f} clocks of flip-flops without a gate, {gates:.2f} clock gates"
    console.print(f"waiting, the core takes {idle.total_mw:.2f} mW: {parts}", soft_wrap=True)
    console.print(f"left out: {result.excluded}", soft_wrap=True)


@click.command()
@network_arguments
@click.option(
    "--layers-of",
    multiple=True,
    metavar="NET",
    default=LAYERS_OF,
    show_default=True,
    help="Networks of which three convolutions run, each alone, on the first image; may be repeated.",
)
@images_option(4)
@latency_option(32)
@seed_option
@click.option("--plot", "plot_path", type=OutFile, metavar="FILE", help="Draw energy and power by activity: .svg, .png or .pdf.")
@config_option()
@json_option  # fmt: skip
def energy(
    names: tuple[str, ...], data: Path | None, layers_of: tuple[str, ...], n_images: int, latency: int, seed: int,
    plot_path: Path | None, config: CoreConfig, json_path: Path | None,
) -> None:  # fmt: skip
    """Energy of networks and layers, event-driven, in dense mode and on a plain dense core; power by activity.

    NET are names of shipped networks, by default lenet5-sparse and lenet5, or network files.
    """
    from quiesce.bench.energy import measure_energy, single_layers

    check_plot(plot_path)
    layers = [layer for case in cases(layers_of, 1, data) for layer in single_layers(case)] if layers_of else []
    result = measure_energy(cases(names or NETWORKS, n_images, data), layers, config, latency=latency, seed=seed)
    if plot_path is not None:
        from quiesce.bench.energy_plot import plot

        plot(plot_path, result)
    if (console := show("energy", result, json_path)) is not None:
        _print(console, result)
