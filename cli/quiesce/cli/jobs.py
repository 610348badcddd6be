"""Options of commands whose work is independent jobs of joblib, and where those run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from quiesce.cli.app import CliError

__all__ = ["jobs_options", "where_jobs_run"]

Command = TypeVar("Command", bound=Callable[..., Any])


def jobs_options(command: Command) -> Command:
    """Add ``--jobs`` and ``--scheduler``; the command passes both to ``where_jobs_run``."""
    command = click.option(
        "--scheduler", metavar="ADDRESS", help="Of a Dask cluster on which the jobs run, such as tcp://host:8786."
    )(command)
    return click.option("--jobs", type=int, metavar="N", help="Jobs at the same time; -1 for all processors. By default one.")(
        command
    )


@contextmanager
def where_jobs_run(jobs: int | None, scheduler: str | None) -> Iterator[None]:
    """Make a Dask cluster the place where jobs of joblib run, if ``--scheduler`` names one.

    Raises
    ------
    CliError
        No number of jobs, no such cluster, or the package for it is missing.
    """
    if jobs == 0:
        raise CliError("--jobs 0: not a number of jobs")
    if scheduler is None:
        yield
        return
    import joblib

    try:
        from distributed import Client
    except ImportError as error:
        raise CliError(f"--scheduler needs the package distributed: {error}") from error
    try:
        client = Client(scheduler, timeout=10)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise CliError(f"--scheduler {scheduler}: {str(error).splitlines()[0]}") from error
    with client, joblib.parallel_config(backend="dask"):
        yield
