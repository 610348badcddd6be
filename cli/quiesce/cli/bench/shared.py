"""Options, tables and lines that the benches share."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console
from rich.markup import escape

from quiesce.cli.inputs import choose_inputs, find_network
from quiesce.cli.options import console_for, data_option, write_json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from quiesce.bench.targets import BenchCase, Target

Command = TypeVar("Command", bound=Callable[..., Any])

__all__ = ["cases", "core_line", "images_option", "network_arguments", "print_targets", "seed_option", "show", "verdict"]


def network_arguments(command: Command) -> Command:
    """Add the networks (``names``) and ``--data``."""
    return click.argument("names", metavar="[NET]...", nargs=-1)(data_option(command))


def images_option(default: int) -> Callable[[Command], Command]:
    """Add ``--images``."""

    def add(command: Command) -> Command:
        return click.option(
            "--images", "n_images", default=default, show_default=True, type=click.IntRange(min=1), metavar="N",
            help="Images of each network, the first of its test set.",
        )(command)  # fmt: skip

    return add


def seed_option(command: Command) -> Command:
    """Add ``--seed``."""
    return click.option(
        "--seed", default=1, show_default=True, type=click.IntRange(min=0), metavar="N", help="Of weights and activations."
    )(command)


def cases(names: Iterable[str], n_images: int, data: Path | None) -> "list[BenchCase]":
    """The networks of these names, or all that are shipped, each with images of its data set.

    Without names those with winners are left out, for which not every core has the unit (``winner_depth``).
    """
    from quiesce import models
    from quiesce.bench.targets import BenchCase

    wanted = tuple(names)
    networks = [find_network(name) for name in wanted or models.names()]
    networks = [network for network in networks if wanted or not any(layer.winners for layer in network.layers)]
    chosen = [(network, choose_inputs(network, n_images, data, None)) for network in networks]
    return [BenchCase(network=network, inputs=inputs.acts, origin=inputs.origin) for network, inputs in chosen]


def verdict(target: "Target | None") -> str:
    """The limit and whether it is met, for a cell."""
    if target is None or target.met is None:
        return ""
    return f"{'>=' if target.at_least else '<='} {target.limit:g} {'met' if target.met else 'missed'}"


def print_targets(console: Console, targets: "Iterable[Target]") -> None:
    """A line for each target."""
    for target in targets:
        value = "nothing measured" if target.value is None else f"{target.value:.3f}"
        sign = ">=" if target.at_least else "<="
        met = "" if target.met is None else ": met" if target.met else ": missed"
        console.print(escape(f"{target.name}: {value}, target {sign} {target.limit:g}{met}"), soft_wrap=True)


def core_line(config: Mapping[str, int], *further: str) -> str:
    """The core of a bench in a line."""
    cores = config.get("n_cores", 1)
    text = f"core: {f'{cores} cores x ' if cores > 1 else ''}{config['n_pes']} PEs x {config['n_lanes']} lanes"
    return ", ".join([text, f"{config['data_width']}-bit bus", *further])


def show(bench: str, result: "DataclassInstance", json_path: Path | None) -> Console | None:
    """Write the JSON form where ``--json`` says; returns where the table goes, if it is wanted at all."""
    from quiesce.bench.targets import report

    write_json(json_path, report(bench, result))
    return None if json_path == Path("-") else console_for(json_path)
