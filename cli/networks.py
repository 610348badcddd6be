"""Which network a command means."""

from pathlib import Path

from quiesce.cli.app import CliError
from quiesce.sw.format.container import load_network
from quiesce.sw.format.network import Network

__all__ = ["find_network"]


def find_network(text: str) -> Network:
    """The shipped network of this name, or the one in the file at this path.

    Raises
    ------
    CliError
        Neither.
    FormatError
        The file is damaged.
    """
    from quiesce import models

    if text in models.names():
        return models.load(text)
    path = Path(text)
    if path.is_file():
        return load_network(path)
    raise CliError(f"{text}: neither a file nor a network that is shipped ({', '.join(models.names()) or 'there are none'})")
