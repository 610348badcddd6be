"""The cycles that docs/architecture.md tells of one activation are those of the core."""

from tests.rtl.core.one_activation import PICTURE, draw, measure, table


def test_documented_cycles_are_measured_ones():
    steps = measure()
    assert table(steps) in (PICTURE.parent / "architecture.md").read_text(encoding="utf-8")
    assert draw(steps) == PICTURE.read_text(encoding="utf-8")
