"""Options of several benches."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ["images_option", "latency_option", "network_arguments", "seed_option"]

Command = TypeVar("Command", bound=Callable[..., Any])


def network_arguments(command: Command) -> Command:
    """Add the networks (``names``) and ``--data``."""
    command = click.option(
        "--data", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
        help="Folder of the data sets, for more images than are shipped; default $QUIESCE_DATA.",
    )(command)  # fmt: skip
    return click.argument("names", metavar="[NET]...", nargs=-1)(command)


def images_option(default: int) -> Callable[[Command], Command]:
    """Add ``--images``."""

    def add(command: Command) -> Command:
        return click.option(
            "--images", "n_images", default=default, show_default=True, type=click.IntRange(min=1), metavar="N",
            help="Images of each network, the first of its test set.",
        )(command)  # fmt: skip

    return add


def latency_option(default: int) -> Callable[[Command], Command]:
    """Add ``--latency``."""

    def add(command: Command) -> Command:
        return click.option(
            "--latency", default=default, show_default=True, type=click.IntRange(2, 65535), metavar="N",
            help="Latency of the memory, cycles.",
        )(command)  # fmt: skip

    return add


def seed_option(command: Command) -> Command:
    """Add ``--seed``."""
    return click.option(
        "--seed", default=1, show_default=True, type=click.IntRange(min=0), metavar="N", help="Of weights and activations."
    )(command)
