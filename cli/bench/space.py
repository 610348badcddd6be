"""``quiesce bench space``: cycles, energy and gates of many cores."""

from contextlib import ExitStack
from pathlib import Path

import click

from quiesce.cli.app import CliError
from quiesce.cli.bench.common import cases, new_table, optional, show
from quiesce.cli.bench.options import images_option, latency_option
from quiesce.cli.options import config_options, core_config, json_option

__all__ = ["space"]


def _cluster(stack: ExitStack, address: str) -> None:
    """Make a Dask cluster the place where jobs of joblib run."""
    import joblib

    try:
        from distributed import Client
    except ImportError as error:
        raise CliError(f"--scheduler needs the package distributed: {error}") from error
    try:
        stack.enter_context(Client(address, timeout=10))  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise CliError(f"--scheduler {address}: {str(error).splitlines()[0]}") from error
    stack.enter_context(joblib.parallel_config(backend="dask"))


@click.command()
@click.argument("net", default="lenet5")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
              help="Folder of the data sets, for more images than are shipped; default $QUIESCE_DATA.")
@click.option("--pes", multiple=True, type=int, default=(8, 16, 32), show_default=True, metavar="N", help="PEs; may be repeated.")
@click.option("--lanes", multiple=True, type=int, default=(1, 2), show_default=True, metavar="N", help="Lanes of a PE.")
@click.option("--fifo", multiple=True, type=int, default=(16,), show_default=True, metavar="N", help="Depth of the event FIFOs.")
@click.option("--block", multiple=True, type=click.IntRange(min=1), default=(1, 4), show_default=True, metavar="N",
              help="Output channels whose weights are pruned together.")
@click.option("--sparsity", default=0.5, show_default=True, type=click.FloatRange(0, 1, max_open=True), metavar="SHARE",
              help="Share of the weights to prune by magnitude, without training: for cycles and energy, not accuracy.")
@click.option("--gates", is_flag=True, help="Synthesise every core, too, for area and clock: minutes each, needs quiesce[synth].")
@click.option("--jobs", type=int, metavar="N", help="Points at the same time; -1 for all processors. By default one.")
@click.option("--scheduler", metavar="ADDRESS", help="Of a Dask cluster on which the points run, such as tcp://host:8786.")
@images_option(1)
@latency_option(32)
@config_options
@json_option  # fmt: skip
def space(
    net: str, data: Path | None, pes: tuple[int, ...], lanes: tuple[int, ...], fifo: tuple[int, ...], block: tuple[int, ...],
    sparsity: float, gates: bool, jobs: int | None, scheduler: str | None, n_images: int, latency: int, preset_name: str,
    overrides: tuple[str, ...], json_path: Path | None,
) -> None:  # fmt: skip
    """Cycles and energy of one network on every core of a design space, and with --gates area and clock.

    NET is the name of a shipped network or a network file. Options of the space may be repeated.
    """
    from quiesce.sim.benchmarks.space import Axes, measure_space

    if jobs == 0:
        raise CliError("--jobs 0: not a number of jobs")
    config = core_config(preset_name, overrides)
    axes = Axes(n_pes=pes, n_lanes=lanes, event_fifo_depth=fifo, block=block)
    (case,) = cases([net], n_images, data)
    with ExitStack() as stack:
        if scheduler is not None:
            _cluster(stack, scheduler)
        result = measure_space(case, config, axes, sparsity=sparsity, latency=latency, gates=gates, jobs=jobs)
    if (console := show("space", result, json_path)) is None:
        return
    numbers = ["PEs", "lanes", "FIFO", "block", "weights", "cycles", "lane use", "nJ", "pJ per MAC", "TOPS/W", "off-chip, nJ"]
    table = new_table(f"{result.network}, per image", [], [*numbers, "area, mm2", "leakage, mW", "MHz"] if gates else numbers)
    for point in result.points:
        one, core = point.energy, point.gates
        row = [
            str(point.n_pes), str(point.n_lanes), str(point.event_fifo_depth), str(point.block), f"{point.weight_density:.0%}",
            f"{point.cycles:,.0f}", f"{point.lane_utilisation:.1%}", f"{one.on_chip_pj / 1000:,.2f}",
            optional(one.pj_per_mac, ".2f"), optional(one.tops_per_watt, ".3f"), f"{one.off_chip_pj / 1000:,.2f}",
        ]  # fmt: skip
        if core is not None:
            row += [f"{core.area / 1e6:.3f}", f"{core.leakage_mw:.2f}", f"{1000 / core.period_ns:,.0f}"]
        table.add_row(*row)
    console.print(table)
    facts = [f"{config.data_width}-bit bus", f"memory latency {latency}", f"{result.items} images", result.inputs]
    console.print(", ".join([*facts, f"{sparsity:.0%} of the weights pruned by magnitude, not trained again"]), soft_wrap=True)
