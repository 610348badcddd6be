"""Files of the project's own forms, JSON or TOML, read into its dataclasses."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

__all__ = ["FileError", "convert", "parse_json", "read_json"]

T = TypeVar("T")


class FileError(ValueError):
    """A file that is damaged or of another form; the message names it and the place in it."""


def convert(value: object, kind: type[T], where: str) -> T:
    """A value of type ``kind``, such as a dataclass, from the values that a JSON or TOML file holds.

    Fields without a default must be there, all types must fit, and no object may have other fields. Rules between fields are in
    the dataclasses' ``__post_init__``, whose ``ValueError`` is reported alike.

    Parameters
    ----------
    where : str
        Begins the message, such as the path of the file.

    Raises
    ------
    FileError
        It is none.
    """
    try:
        made = msgspec.convert(value, kind, str_keys=True)
    except msgspec.ValidationError as error:
        raise FileError(f"{where}: {error}") from error
    # Structs of msgspec can refuse unknown fields, dataclasses ignore them.
    for name, place in _unknown(value, msgspec.to_builtins(made, str_keys=True), "$"):
        raise FileError(f"{where}: Object contains unknown field `{name}`" + (f" - at `{place}`" if place != "$" else ""))
    return made


def _unknown(value: object, known: object, place: str) -> Iterator[tuple[str, str]]:
    """Name and place of the keys in ``value`` that are not in ``known``, which is made of it."""
    if isinstance(value, dict) and isinstance(known, dict):
        for name, inner in value.items():
            if name in known:
                yield from _unknown(inner, known[name], f"{place}.{name}")
            else:
                yield name, place
    elif isinstance(value, list) and isinstance(known, list | tuple):
        for index, (inner, same) in enumerate(zip(value, known, strict=False)):
            yield from _unknown(inner, same, f"{place}[{index}]")


def parse_json(text: str | bytes, kind: type[T], where: str) -> T:
    """A value of type ``kind`` from JSON; see ``convert``.

    Raises
    ------
    FileError
        Not JSON, or something else.
    """
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FileError(f"{where}: not JSON: {error}") from error
    return convert(value, kind, where)


def read_json(path: Path, kind: type[T]) -> T:
    """A value of type ``kind`` from a JSON file; see ``parse_json``.

    Raises
    ------
    FileError
        The file holds something else.
    OSError
        It cannot be read.
    """
    return parse_json(path.read_bytes(), kind, str(path))
