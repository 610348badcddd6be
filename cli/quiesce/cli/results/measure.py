"""``quiesce results measure``: one trained network's run file."""

import csv
from pathlib import Path

import click
import numpy as np
from rich.markup import escape

from quiesce.cli.app import CliError
from quiesce.cli.inputs import Inputs, find_network, test_set
from quiesce.cli.options import OutFile, console_for, data_option
from quiesce.cli.results.runfile import CoreFigures, CoreLayer, RunFile, WinnersLayer
from quiesce.spec.config import preset
from quiesce.sw.format.network import Network

__all__ = ["CORE", "measure"]

CORE = {"winner_depth": 1024, "weight_depth": 4096, "mask_depth": 4096}
"""How the core that all rows are measured on differs from "base": it has the unit for winners, so that networks with and without
compare, and holds the weights of all networks but the largest, so that their loading does not hide what activations cost."""


def _seconds(record: Path) -> float:
    """Sum over the epochs that ``quiesce train --record`` logged."""
    path = record / "train.csv"
    with path.open(newline="", encoding="utf-8") as file:
        try:
            return sum(float(row["seconds"]) for row in csv.DictReader(file))
        except (KeyError, ValueError) as error:
            raise CliError(f"{path}: not the log of a training: {error}") from None


def _core(network: Network, inputs: Inputs, energy_images: int) -> CoreFigures:
    from quiesce.sim import RunOptions, cosim
    from quiesce.sw.sparsity.accounting import effectual_macs

    config = preset("base", **CORE)
    options = RunOptions(energy=energy_images > 0, energy_items=max(1, energy_images))
    run = cosim(network, inputs.acts, config=config, options=options)
    if not run.bit_exact:
        raise CliError(f"{network.name}: the core differs from the integer reference: {run.mismatch}")
    software = sum(float(macs.sum()) for macs in effectual_macs(network, inputs.acts).values())
    layers = tuple(
        CoreLayer(name=layer.name, cycles=layer.cycles / run.items, ranking=layer.counters["ranking"] / run.items)
        for layer in run.layers
    )
    return CoreFigures(
        config=CORE,
        images=run.items, energy_images=run.energy_items, cycles=run.cycles_per_item, energy_pj=run.energy_pj_per_item,
        effectual_macs=run.totals["effectual_macs"], software_macs=software / run.items, bit_exact=run.bit_exact, layers=layers,
    )  # fmt: skip


@click.command()
@click.argument("net")
@click.option("--out", type=OutFile, required=True, metavar="FILE", help="Run file to write.")
@click.option(
    "--record",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder of quiesce train --record, for the time that training took.",
)
@click.option(
    "--images",
    "n_images",
    default=8,
    show_default=True,
    type=click.IntRange(min=0),
    metavar="N",
    help="Test images to simulate on the core; 0 for none.",
)
@click.option(
    "--energy-images",
    default=1,
    show_default=True,
    type=click.IntRange(min=0),
    metavar="N",
    help="Images over which energy is measured; 0 for none.",
)
@data_option
def measure(net: str, out: Path, record: Path | None, n_images: int, energy_images: int, data: Path | None) -> None:
    """Measure a network over the whole test set and on the Verilog of a core, for docs/results.md.

    NET is the name of a shipped network or a file that quiesce train has written.
    """
    from quiesce.sw.sparsity.statistics import statistics

    network = find_network(net)
    about = network.metadata
    if missing := [key for key in ("command", "seed", "epochs") if key not in about]:
        raise CliError(f"{net}: no {missing[0]} in its metadata: not written by quiesce train")
    inputs = test_set(network, data)
    counted = statistics(network, inputs.acts, inputs.labels)
    core = _core(network, inputs.first(n_images), energy_images) if n_images else None
    weights = [layer.weight for layer in network.layers if layer.weight is not None and layer.op.weighted]
    validation = about.get("validation_accuracy")
    run = RunFile(
        network=network.name, command=about["command"], seed=int(about["seed"]), epochs=int(about["epochs"]),
        seconds=None if record is None else _seconds(record),
        validation_accuracy=None if validation is None else float(validation),
        weights=sum(weight.size for weight in weights), nonzero_weights=sum(int(np.count_nonzero(weight)) for weight in weights),
        winners=tuple(
            WinnersLayer(name=layer.name, kind=layer.op.name, kept=layer.winners, channels=layer.cout)
            for layer in network.layers if layer.winners
        ),
        statistics=counted.to_json(), core=core,
    )  # fmt: skip
    run.save(out)
    console_for(None).print(f"{escape(str(out))}: accuracy {counted.accuracy:.2%}", soft_wrap=True)
