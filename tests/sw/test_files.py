"""Files of our own forms: what is read, and what is refused with its place."""

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import pytest

from quiesce.sw.files import FileError, convert, parse_json, read_json


class Colour(str, Enum):
    RED = "red"


@dataclass(frozen=True, kw_only=True)
class Inner:
    size: int

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError("size is negative")


@dataclass(frozen=True, kw_only=True)
class Outer:
    colour: Colour
    share: float = 0.5
    inner: tuple[Inner, ...] = ()
    by_number: dict[int, Inner] = field(default_factory=dict)


def test_what_fits_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"colour": "red", "share": 1, "inner": [{"size": 2}], "by_number": {"7": {"size": 3}}}')
    assert read_json(path, Outer) == Outer(colour=Colour.RED, share=1.0, inner=(Inner(size=2),), by_number={7: Inner(size=3)})
    assert convert({"colour": "red"}, Outer, "a") == Outer(colour=Colour.RED)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "a: not JSON: Input data was truncated"),
        (b"\xff", "a: not JSON: "),
        ('{"colour": "red", "share": NaN}', "a: not JSON: "),
        ("[]", "a: Expected `object`, got `array`"),
        ("{}", "a: Object missing required field `colour`"),
        ('{"colour": "blue"}', "a: Invalid enum value 'blue' - at `$.colour`"),
        ('{"colour": "red", "share": true}', "a: Expected `float`, got `bool` - at `$.share`"),
        ('{"colour": "red", "inner": [{"size": 1}, {"size": -1}]}', "a: size is negative - at `$.inner[1]`"),
        ('{"colour": "red", "more": 1}', "a: Object contains unknown field `more`"),
        ('{"colour": "red", "inner": [{"size": 1, "more": 1}]}', "a: Object contains unknown field `more` - at `$.inner[0]`"),
        ('{"colour": "red", "by_number": {"7": {"size": 1, "x": 1}}}', "unknown field `x` - at `$.by_number.7`"),
    ],
)
def test_what_does_not_fit_is_named(text: str | bytes, message: str) -> None:
    with pytest.raises(FileError) as caught:
        parse_json(text, Outer, "a")
    assert message in str(caught.value)
