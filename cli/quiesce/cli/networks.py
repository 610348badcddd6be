"""Which network a command means."""

from quiesce.cli.app import CliError
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

    if network := models.find(text):
        return network
    raise CliError(f"{text}: neither a file nor a network that is shipped ({', '.join(models.names()) or 'there are none'})")
