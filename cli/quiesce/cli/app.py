"""The frame around the commands: how errors become exit statuses and one line on standard error.

Exit statuses: 0 success; 1 the work was done or begun but failed (the core differs from the reference, the simulator stopped);
2 bad input; 130 interrupted.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

__all__ = ["App", "CliError"]


class CliError(ValueError):
    """Bad input that the command line itself finds; the message names it."""


class _Failure(click.ClickException):
    """A named error, ready to be shown."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def _describe(error: Exception) -> _Failure | None:
    """How to show an error; None if it is nobody's message but a fault of the program.

    Errors of the package's own classes are made for the user, and so are those of the file system.
    """
    module = type(error).__module__
    if module.startswith("quiesce."):
        return _Failure(str(error), getattr(error, "exit_status", 2))
    if isinstance(error, BrokenPipeError):
        return None
    if isinstance(error, OSError) and error.strerror:
        where = f"{os.fsdecode(error.filename)}: " if error.filename is not None else ""
        return _Failure(f"{where}{error.strerror[0].lower()}{error.strerror[1:]}", 2)
    if isinstance(error, ModuleNotFoundError) and error.name == "torch":
        return _Failure("this command needs torch: install quiesce[train]", 1)
    return None


class App(click.Group):
    """A group of commands whose errors are one line, ``quiesce: error: ...``; ``--debug`` shows where they come from.

    Parameters
    ----------
    names : sequence of str
        Of the commands: each is in the module ``quiesce.cli.<name>``, which is imported when it is wanted.
    """

    def __init__(self, *args: Any, names: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._names = frozenset(names)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self._names, *self.commands})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._names:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(import_module(f"quiesce.cli.{cmd_name}"), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            failure = _describe(error)
            if failure is None or ctx.params.get("debug"):
                raise
            raise failure from error

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run a command line and leave the process with its exit status."""
        try:
            status = super().main(*args, **kwargs | {"standalone_mode": False})
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            status = 2
        except click.Abort:
            click.echo("quiesce: interrupted", err=True)
            status = 130
        except click.ClickException as error:
            click.echo(f"quiesce: error: {error.format_message()}", err=True)
            status = error.status if isinstance(error, _Failure) else 2
        sys.exit(status or 0)
