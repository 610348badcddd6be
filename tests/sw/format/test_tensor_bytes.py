"""Self-describing tensor bytes: round trips, the documented example, and every kind of damage."""

import re
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiesce.sw.format import errors
from quiesce.sw.format.tensor import decode_tensor, encode_tensor

EXAMPLE = np.array([[0, 3, 0], [-2, 0, 7]], np.int8)
DATA = encode_tensor(EXAMPLE, 4)


@st.composite
def tensors(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    width = draw(st.integers(2, 16))
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=5)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    limit = 2 ** (width - 1) - 1
    values = rng.integers(-limit, limit + 1, shape)
    values[rng.random(shape) >= draw(st.floats(0, 1))] = 0
    return values, width


def damaged(offset: int, *replacement: int) -> bytes:
    data = bytearray(DATA)
    data[offset : offset + len(replacement)] = bytes(replacement)
    return bytes(data)


def test_documented_example() -> None:
    text = (Path(__file__).parents[3] / "docs" / "reference" / "files.md").read_text(encoding="utf-8")
    block = re.search(r"23 bytes:\n\n```\n(.*?)```", text, re.DOTALL)
    assert block is not None
    documented = bytes.fromhex("".join(line.split("   ")[0] for line in block.group(1).splitlines()))
    assert documented == DATA
    assert len(DATA) == 23


@given(tensors())
def test_round_trip(case: tuple[np.ndarray, int]) -> None:
    tensor, width = case
    data = encode_tensor(tensor, width)
    decoded = decode_tensor(data)
    assert np.array_equal(decoded, tensor)
    assert decoded.dtype == (np.int8 if width <= 8 else np.int16)
    n_values = np.count_nonzero(tensor)
    assert len(data) == 12 + 4 * tensor.ndim + -(-tensor.size // 8) + -(-n_values * width // 8)


@given(tensors(), st.data())
def test_every_truncation_is_named(case: tuple[np.ndarray, int], draw: st.DataObject) -> None:
    data = encode_tensor(*case)
    length = draw.draw(st.integers(0, len(data) - 1))
    with pytest.raises(errors.TruncatedError):
        decode_tensor(data[:length])


@given(tensors(), st.data())
def test_flipped_bits_never_crash(case: tuple[np.ndarray, int], draw: st.DataObject) -> None:
    data = bytearray(encode_tensor(*case))
    bit = draw.draw(st.integers(0, 8 * len(data) - 1))
    data[bit // 8] ^= 1 << bit % 8
    try:
        decoded = decode_tensor(bytes(data))
    except errors.FormatError:
        return
    # Whatever is accepted is a different tensor, width or shape, never the same one misread.
    assert encode_tensor(decoded, data[5]) == bytes(data)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (damaged(0, ord("X")), errors.MagicError),
        (damaged(4, 2), errors.VersionError),
        (damaged(5, 1), errors.DtypeError),
        (damaged(5, 17), errors.DtypeError),
        (damaged(6, 0), errors.ShapeError),
        (damaged(6, 9), errors.ShapeError),
        (damaged(7, 1), errors.PaddingError),
        (damaged(8, 7), errors.SizeLimitError),  # more nonzeros than elements
        (damaged(8, *struct.pack("<I", 2**32 - 1)), errors.SizeLimitError),
        (damaged(12, *struct.pack("<2I", 2**32 - 1, 2**32 - 1)), errors.SizeLimitError),
        (damaged(12, *struct.pack("<2I", 2**14, 2**14)), errors.TruncatedError),
        (damaged(12, 0), errors.ShapeError),
        (damaged(20, 0x0A), errors.MaskError),
        (damaged(20, 0x6A), errors.PaddingError),  # mask bit beyond the sixth element
        (damaged(22, 0x17), errors.PaddingError),  # bit after the third value
        (damaged(21, 0xE0), errors.MaskError),  # a stored zero
        (damaged(21, 0xE8), errors.RangeError),  # -8 at four bits
        (DATA + b"\0", errors.SizeLimitError),
    ],
)
def test_damage(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^(tensor|mask): "):
        decode_tensor(data)


@pytest.mark.parametrize(
    ("tensor", "width", "error"),
    [
        (np.zeros(3, np.float32), 8, errors.DtypeError),
        (np.zeros(3, np.int8), 17, errors.DtypeError),
        (np.zeros((), np.int8), 8, errors.ShapeError),
        (np.zeros((2, 0), np.int8), 8, errors.ShapeError),
        (np.array([-128]), 8, errors.RangeError),
        (np.array([8]), 4, errors.RangeError),
    ],
)
def test_rejected_tensors(tensor: np.ndarray, width: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        encode_tensor(tensor, width)
