"""Networks that ship with the project: trained, quantised, with a model card and a recipe each."""

from importlib import resources
from pathlib import Path

from quiesce.sw.format.container import load_network
from quiesce.sw.format.network import Network

__all__ = ["UnknownModelError", "find", "load", "names", "path", "recipe_path", "recipes"]

_SUFFIX = ".safetensors"


class UnknownModelError(KeyError):
    """No network of this name is shipped; the message lists those that are."""

    def __str__(self) -> str:
        return str(self.args[0])


def _folder() -> Path:
    # The package is always installed as files, which the compiler and the simulator need anyway.
    return Path(str(resources.files(__name__)))


def names() -> tuple[str, ...]:
    """Names of the shipped networks, sorted."""
    return tuple(sorted(file.name.removesuffix(_SUFFIX) for file in _folder().glob(f"*{_SUFFIX}")))


def path(name: str) -> Path:
    """The network file of a shipped network; its model card is next to it, with suffix ``.md``.

    Raises
    ------
    UnknownModelError
        No such network.
    """
    if name not in names():
        raise UnknownModelError(f"{name!r} is no shipped network; there are {', '.join(names())}")
    return _folder() / f"{name}{_SUFFIX}"


def recipes() -> tuple[str, ...]:
    """Names of the shipped recipes, sorted."""
    return tuple(sorted(file.stem for file in (_folder() / "recipes").glob("*.toml")))


def recipe_path(name: str) -> Path | None:
    """The recipe of this name; nothing if none is shipped."""
    return _folder() / "recipes" / f"{name}.toml" if name in recipes() else None


def load(name: str) -> Network:
    """A shipped network.

    Raises
    ------
    UnknownModelError
        No such network.
    FormatError
        The installed file is damaged.
    """
    return load_network(path(name))


def find(text: str) -> Network | None:
    """The shipped network of this name, or that of the file at this path; nothing if there is neither.

    Raises
    ------
    FormatError
        The file is damaged.
    """
    if text in names():
        return load(text)
    file = Path(text)
    return load_network(file) if file.is_file() else None
