"""``quiesce bench space``: cycles, energy and gates of many cores."""

from pathlib import Path

import click

from quiesce.cli.bench.shared import cases, images_option, show
from quiesce.cli.jobs import jobs_options, where_jobs_run
from quiesce.cli.options import config_option, data_option, json_option, latency_option
from quiesce.cli.tables import new_table, optional
from quiesce.spec.config import CoreConfig

__all__ = ["space"]


@click.command()
@click.argument("net", default="lenet5")
@data_option
@click.option("--pes", multiple=True, type=int, default=(8, 16, 32), show_default=True, metavar="N", help="PEs; may be repeated.")
@click.option("--lanes", multiple=True, type=int, default=(1, 2), show_default=True, metavar="N", help="Lanes of a PE.")
@click.option("--fifo", multiple=True, type=int, default=(16,), show_default=True, metavar="N", help="Depth of the event FIFOs.")
@click.option(
    "--block",
    multiple=True,
    type=click.IntRange(min=1),
    default=(1, 4),
    show_default=True,
    metavar="N",
    help="Output channels whose weights are pruned together.",
)
@click.option(
    "--sparsity",
    default=0.5,
    show_default=True,
    type=click.FloatRange(0, 1, max_open=True),
    metavar="SHARE",
    help="Share of the weights to prune by magnitude, without training: for cycles and energy, not accuracy.",
)
@click.option("--gates", is_flag=True, help="Synthesise every core, too, for area and clock: minutes each, needs quiesce[synth].")
@jobs_options
@images_option(1)
@latency_option(32)
@config_option()
@json_option  # fmt: skip
def space(
    net: str, data: Path | None, pes: tuple[int, ...], lanes: tuple[int, ...], fifo: tuple[int, ...], block: tuple[int, ...],
    sparsity: float, gates: bool, jobs: int | None, scheduler: str | None, n_images: int, latency: int, config: CoreConfig,
    json_path: Path | None,
) -> None:  # fmt: skip
    """Cycles and energy of one network on every core of a design space, and with --gates area and clock.

    NET is the name of a shipped network or a network file. Options of the space may be repeated.
    """
    from quiesce.bench.space import Axes, measure_space

    axes = Axes(n_pes=pes, n_lanes=lanes, event_fifo_depth=fifo, block=block)
    (case,) = cases([net], n_images, data)
    with where_jobs_run(jobs, scheduler):
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
