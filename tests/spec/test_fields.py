"""Bit fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiesce.spec.fields import Field, FieldError, Layout
from quiesce.spec.isa import CHECKED_HEADER, HEADER, PARAM_FIELDS, PASS_FIELDS, POSITION_FIELDS

LAYOUTS = (HEADER, CHECKED_HEADER, PARAM_FIELDS, POSITION_FIELDS, *PASS_FIELDS)


@given(st.data())
def test_what_is_packed_is_unpacked(data: st.DataObject) -> None:
    layout = data.draw(st.sampled_from(LAYOUTS))
    ranges = {name: st.integers(field.range.start, field.range.stop - 1) for name, field in layout.items()}
    values = data.draw(st.fixed_dictionaries(ranges))
    word = layout.pack(values)
    assert 0 <= word < 1 << layout.width
    assert layout.unpack(word) == values == layout.unpack(word | 1 << layout.width)


def test_a_field_is_where_it_says() -> None:
    layout = Layout({"a": Field(4, 3), "b": Field(8, 4, signed=True)}, width=12)
    assert layout.pack({"a": 5, "b": -2}) == 0b1110_0101_0000
    assert layout.unpack(0xFFF) == {"a": 7, "b": -1}
    assert (layout["b"].range, layout["b"].bits) == (range(-8, 8), slice(8, 12))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n_rows": -1}, r"n_rows = -1 is not in 0\.\.65535"),
        ({"n_rows": 65536}, r"n_rows = 65536 is not in 0\.\.65535"),
    ],
)
def test_values_out_of_range_are_refused(values: dict[str, int], message: str) -> None:
    (layout,) = (layout for layout in PASS_FIELDS if "n_rows" in layout)
    with pytest.raises(FieldError, match=message):
        layout.pack(dict.fromkeys(layout, 0) | values)


def test_signed_fields_of_a_pass_come_back_signed() -> None:
    (layout,) = (layout for layout in PASS_FIELDS if "clip_low" in layout)
    values = dict.fromkeys(layout, 0) | {"clip_low": -127, "clip_high": -1}
    assert layout.unpack(layout.pack(values)) == values
    with pytest.raises(FieldError, match="clip_low = 128"):
        layout.pack(values | {"clip_low": 128})


@pytest.mark.parametrize(
    "fields", [{"a": Field(0, 4), "b": Field(3, 2)}, {"a": Field(60, 5)}, {"a": Field(0, 0)}, {"a": Field(-1, 2)}]
)
def test_layouts_that_cannot_be(fields: dict[str, Field]) -> None:
    with pytest.raises(ValueError, match="are not free in 64"):
        Layout(fields)


def test_names_of_pass_fields_are_unique() -> None:
    names = [name for layout in PASS_FIELDS for name in layout]
    assert len(names) == len(set(names))
