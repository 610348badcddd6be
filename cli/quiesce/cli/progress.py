"""The bar that long commands show."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(what: str, total: int | None = None, *, remaining: bool = False) -> Iterator[Callable[..., None]]:
    """A bar on standard error, if that is a terminal; yields what changes it, see ``rich.progress.Progress.update``.

    Parameters
    ----------
    what : str
        Its text.
    total : int, optional
        Without it the bar pulses: nobody knows for how long a simulator has to be built first.
    remaining : bool
        Show the time to go, too.
    """
    console = Console(stderr=True)
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    columns += [TimeRemainingColumn()] if remaining else []
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield partial(progress.update, progress.add_task(what, total=total))
