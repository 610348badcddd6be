"""Requantisation against Python integers, and the choice of multipliers."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiesce.sw.format import errors
from quiesce.sw.format.requantize import choose_multiplier, requantize


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[list[int]], list[int], list[int], int, int, int]:
    chans = draw(st.integers(1, 4))

    def per_channel(values: st.SearchStrategy[int]) -> list[int]:
        return draw(st.lists(values, min_size=chans, max_size=chans))

    near_zero, full = st.integers(-1000, 1000), st.integers(-(2**31), 2**31 - 1)
    acc = [per_channel(near_zero | full) for _ in range(draw(st.integers(1, 3)))]
    low, high = sorted((draw(st.integers(-127, 127)), draw(st.integers(-127, 127))))
    threshold = draw(st.integers(0, 127)) if low >= 0 else 0
    return acc, per_channel(st.integers(1, 65535)), per_channel(st.integers(0, 47)), low, high, threshold


@given(cases())
def test_matches_python_integers(case: tuple[list[list[int]], list[int], list[int], int, int, int]) -> None:
    acc, multiplier, shift, low, high, threshold = case
    expected = []
    for row in acc:
        for value, factor, bits in zip(row, multiplier, shift, strict=True):
            q = min(max((value * factor + (1 << bits >> 1)) // 2**bits, low), high)
            expected.append(0 if 0 <= q < threshold else q)
    actual = requantize(np.array(acc, np.int32), np.array(multiplier), np.array(shift), low, high, threshold)
    assert actual.ravel().tolist() == expected
    assert actual.dtype == np.int8


def test_ties_round_up() -> None:
    acc = np.array([[-3], [-1], [1], [3]])
    assert requantize(acc, np.array([1]), np.array([1]), -127, 127).ravel().tolist() == [-1, 0, 1, 2]


def test_threshold() -> None:
    acc = np.array([[4], [5], [6]])
    assert requantize(acc, np.array([1]), np.array([0]), 0, 127, 5).ravel().tolist() == [0, 5, 6]


def test_negative_values_without_a_threshold_stay() -> None:
    acc, one, none = np.arange(-130, 131)[:, None], np.array([1]), np.array([0])
    assert requantize(acc, one, none, -127, 127).ravel().tolist() == [min(max(q, -127), 127) for q in range(-130, 131)]
    assert requantize(acc, one, none, -127, -3).ravel().tolist() == [min(max(q, -127), -3) for q in range(-130, 131)]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"acc": np.zeros((2, 1), np.float32)}, errors.DtypeError),
        ({"acc": np.array([[1 << 31]])}, errors.RangeError),
        ({"acc": np.zeros((2, 2), np.int32)}, errors.ShapeError),
        ({"multiplier": np.array([0])}, errors.RangeError),
        ({"multiplier": np.array([65536])}, errors.RangeError),
        ({"shift": np.array([48])}, errors.RangeError),
        ({"low": -128}, errors.RangeError),
        ({"low": 5, "high": 4}, errors.RangeError),
        ({"threshold": 1}, errors.RangeError),
        ({"low": 0, "threshold": 128}, errors.RangeError),
    ],
)
def test_rejected(changes: dict[str, object], error: type[Exception]) -> None:
    arguments = {
        "acc": np.zeros((2, 1), np.int32), "multiplier": np.array([1]), "shift": np.array([0]), "low": -1, "high": 1,
    } | changes  # fmt: skip
    with pytest.raises(error, match="^requantize: "):
        requantize(**arguments)


@given(st.floats(2.0**-32, 65535.0))
def test_multiplier_is_nearest_of_16_bits(factor: float) -> None:
    multiplier, shift = choose_multiplier(factor)
    assert 32768 <= multiplier <= 65535
    assert 0 <= shift <= 47
    assert abs(Fraction(multiplier, 2**shift) - Fraction(factor)) <= Fraction(1, 2 ** (shift + 1))


@given(st.floats(2.0**-48, 2.0**-32, exclude_min=True))
def test_small_factors_lose_bits_only(factor: float) -> None:
    multiplier, shift = choose_multiplier(factor)
    assert shift == 47
    assert abs(Fraction(multiplier, 2**47) - Fraction(factor)) <= Fraction(1, 2**48)


def test_documented_multiplier() -> None:
    assert choose_multiplier(0.1) == (52429, 19)


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf"), 65535.5, 2.0**-48, 1e-300, 1e300])
def test_factors_without_multiplier(factor: float) -> None:
    with pytest.raises(errors.ScaleError, match="requantisation factor"):
        choose_multiplier(factor)
