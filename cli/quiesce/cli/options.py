"""Options and outputs that several commands share."""

import importlib.util
import json
import os
import sys
from collections.abc import Callable
from functools import update_wrapper
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from quiesce.cli.app import CliError
from quiesce.spec.config import PRESETS, CoreConfig, preset

__all__ = [
    "InFile", "OutFile", "check_plot", "config_option", "console_for", "core_config", "data_option", "json_option",
    "latency_option", "write_json",
]  # fmt: skip

_WIDTH_OF_LOGS = 200
"""Columns of tables that do not go to a terminal."""

Command = TypeVar("Command", bound=Callable[..., Any])


class _OutFile(click.Path):
    """A file to write; a name that ends as only a folder's does is refused, since a path would drop the end."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if str(value).endswith(("/", os.sep)):
            self.fail(f"{value!r} names a folder, not a file.", param, ctx)
        return super().convert(value, param, ctx)


InFile = click.Path(exists=True, dir_okay=False, path_type=Path)
OutFile = _OutFile(dir_okay=False, writable=True, path_type=Path)


def check_plot(path: Path | None) -> None:
    """Refuse the file of a ``--plot`` before any work is done, if no format has its suffix or matplotlib is not there.

    Raises
    ------
    CliError
    """
    if path is None:
        return
    if path.suffix not in (".svg", ".png", ".pdf"):
        raise CliError(f"--plot {path}: the name must end in .svg, .png or .pdf")
    if importlib.util.find_spec("matplotlib") is None:
        raise CliError("--plot needs matplotlib: install quiesce[synth] or quiesce[train]")


def config_option(name: str = "base", changes: tuple[str, ...] = ()) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``--preset`` and ``--set``, by default this preset and these changes, which give the command its ``config``."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        def with_config(*args: Any, preset_name: str, overrides: tuple[str, ...], **kwargs: Any) -> Any:
            return command(*args, config=core_config(preset_name, overrides), **kwargs)

        with_overrides = click.option(
            "--set", "overrides", metavar="FIELD=VALUE", multiple=True, default=changes, show_default=bool(changes),
            help="Replace one field of the preset, for example n_pes=8; may be repeated.",
        )(update_wrapper(with_config, command))  # fmt: skip
        return click.option(
            "--preset", "preset_name", default=name, show_default=True, metavar="|".join(PRESETS),
            help="Configuration of the core.",
        )(with_overrides)  # fmt: skip

    return add


def data_option(command: Command) -> Command:
    """Add ``--data DIR``."""
    return click.option(
        "--data", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
        help="Folder that holds mnist/ and cifar10/ with the official files; by default $QUIESCE_DATA.",
    )(command)  # fmt: skip


def latency_option(default: int = 32) -> Callable[[Command], Command]:
    """Add ``--latency``."""
    return click.option(
        "--latency", default=default, show_default=True, type=click.IntRange(2, 65535), metavar="N",
        help="Latency of the memory, cycles.",
    )  # fmt: skip


def core_config(preset_name: str, overrides: tuple[str, ...]) -> CoreConfig:
    """The configuration that ``--preset`` and ``--set`` describe.

    Raises
    ------
    ConfigError
        No such preset or field, or a value out of range.
    CliError
        An override that is not FIELD=VALUE, not an integer, or given twice.
    """
    fields: dict[str, int] = {}
    for override in overrides:
        field, separator, text = override.partition("=")
        if not separator or not field:
            raise CliError(f"--set {override}: not of the form FIELD=VALUE")
        if field in fields:
            raise CliError(f"--set {override}: {field} is set twice")
        try:
            fields[field] = int(text, 0)
        except ValueError:
            raise CliError(f"--set {override}: {text!r} is not an integer") from None
    return preset(preset_name, **fields)


def json_option(command: Command) -> Command:
    """Add ``--json FILE``."""
    return click.option(
        "--json", "json_path", type=_OutFile(dir_okay=False, allow_dash=True, path_type=Path), metavar="FILE",
        help="Also write the report as JSON; - writes it to standard output instead of the table.",
    )(command)  # fmt: skip


def console_for(json_path: Path | None) -> Console:
    """Where tables go: standard output, or standard error if JSON goes to standard output."""
    stream = sys.stderr if json_path == Path("-") else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else _WIDTH_OF_LOGS, highlight=False)


def write_json(json_path: Path | None, report: object) -> None:
    """Write a report to where ``--json`` says, if anywhere."""
    if json_path is None:
        return
    text = json.dumps(report, indent=2, allow_nan=False) + "\n"
    if json_path == Path("-"):
        click.echo(text, nl=False)
    else:
        json_path.write_text(text)
