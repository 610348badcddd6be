"""``quiesce faults``: what becomes of a network's answer when something breaks."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from quiesce.cli.app import CliError
from quiesce.cli.inputs import choose_inputs, find_network
from quiesce.cli.options import InFile, config_option, console_for, data_option, json_option, latency_option, write_json
from quiesce.cli.progress import progress_bar
from quiesce.spec.config import CoreConfig

if TYPE_CHECKING:
    from rich.table import Table

    from quiesce.sim.faults.campaign import Campaign

__all__ = ["faults"]


def _table(campaign: "Campaign") -> "Table":
    from rich.table import Table

    from quiesce.sim.faults.campaign import CLASSES, UNDETECTED

    table = Table("faults", title=f"{campaign.network}, one fault a run", title_justify="left")
    for column in ("runs", "masked", "detected", *UNDETECTED):
        table.add_column(column, justify="right")
    table.add_column("detected by")
    for name in CLASSES:
        count = campaign.count(name)
        if not count:
            continue
        detected = {verdict: n for verdict, n in count.most_common() if verdict not in ("masked", *UNDETECTED)}
        by = ", ".join(f"{verdict} {n:,}" for verdict, n in detected.items())
        numbers = (count.total(), count["masked"], sum(detected.values()), *(count[verdict] for verdict in UNDETECTED))
        table.add_row(name, *(f"{number:,}" for number in numbers), by)
    return table


@click.command()
@click.argument("net")
@click.option("--n", "n", default=100, show_default=True, type=click.IntRange(min=1), metavar="N", help="Faults of each class.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0), metavar="S", help="Of the faults.")
@click.option(
    "--class", "classes", multiple=True, metavar="NAME", help="Only this class of faults; may be repeated. By default all."
)
@click.option(
    "--images", "n_images", default=1, show_default=True, type=click.IntRange(min=1), metavar="N", help="Images of each run."
)
@data_option
@click.option("--inputs", "inputs_path", type=InFile, metavar="FILE", help="Your own images as .npy, as for cosim.")
@config_option()
@latency_option()
@json_option  # fmt: skip
def faults(
    net: str, n: int, seed: int, classes: tuple[str, ...], n_images: int, data: Path | None, inputs_path: Path | None,
    config: CoreConfig, latency: int, json_path: Path | None,
) -> None:  # fmt: skip
    """Run a network with one fault at a time and tell what becomes of its answer.

    Bits flip in the program, inputs, intermediate maps and outputs in memory, in the core's RAMs and flip-flops; the bus answers
    with errors; responses are lost, repeated, late or out of order; the host resets the core at any time.

    The exit status is 1 if a fault made the core hang or write outside its regions.
    """
    from quiesce.sim.faults.campaign import CLASSES
    from quiesce.sim.faults.campaign import faults as campaign_of

    network = find_network(net)
    inputs = choose_inputs(network, n_images, data, inputs_path)
    chosen = classes or CLASSES
    if unknown := sorted(set(chosen) - set(CLASSES)):
        raise CliError(f"--class {unknown[0]}: not one of {', '.join(CLASSES)}")
    with progress_bar("faults: preparing") as update:
        campaign = campaign_of(
            network, inputs.acts, config=config, n=n, seed=seed, classes=chosen, latency=latency,
            progress=lambda done: update(description="faults: runs", total=n * len(chosen), completed=done),
        )  # fmt: skip
    write_json(json_path, {"inputs": inputs.origin} | campaign.to_dict())
    if json_path != Path("-"):
        out = console_for(json_path)
        out.print(_table(campaign))
        run_is = f"{campaign.images} image{'s' * (campaign.images > 1)} and {campaign.cycles:,} cycles"
        out.print(escape(f"seed {seed}; a run is {run_is}, memory latency {latency}"))
    if any(trial.verdict in ("hang", "outside") for trial in campaign.trials):
        click.get_current_context().exit(1)
