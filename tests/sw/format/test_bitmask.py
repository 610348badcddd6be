"""Row records: round trips, the documented example, and damage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiesce.sw.format import bitmask, errors, layouts
from tests.sw.format.records import decode_row, encode_row

EXAMPLE = np.array([[0, 5, 0], [0, 0, 0], [-1, 0, 2]], np.int8)


def random_acts(shape: tuple[int, ...], density: float, seed: int, bits: int = 8) -> np.ndarray:
    rng = np.random.default_rng(seed)
    most = {4: 7, 8: 127, 16: 254}[bits]
    acts = rng.integers(-most, most + 1, shape).astype(np.int16 if bits == 16 else np.int8)
    acts[rng.random(shape) >= density] = 0
    return acts


def naive_record(acts: np.ndarray) -> tuple[int, bytes, list[int]]:
    """Mask bits as an integer, mask-and-padding size, and values of one row, straight from the definition."""
    width, chans = acts.shape
    pitch = next(p for p in [1, 2, 4, 8, 16, 32, *range(64, 4096, 64)] if p >= chans)
    mask, values = 0, []
    for col in range(width):
        for chan in range(chans):
            if acts[col, chan]:
                mask |= 1 << (col * pitch + chan)
                values.append(int(acts[col, chan]))
    n_mask = -(-width * pitch // 8)
    return mask, bytes(-(-n_mask // 16) * 16), values


@pytest.mark.parametrize(("chans", "pitch"), [(1, 1), (2, 2), (3, 4), (17, 32), (32, 32), (33, 64), (65, 128), (129, 192)])
def test_channel_pitch(chans: int, pitch: int) -> None:
    assert layouts.channel_pitch(chans) == pitch


def test_documented_row() -> None:
    data = encode_row(EXAMPLE)
    assert data == bytes([0x02, 0x05]) + bytes(14) + bytes([0x05, 0xFF, 0x02]) + bytes(13)
    layout = layouts.RowLayout(width=3, chans=3)
    assert (layout.pitch, layout.mask_bytes, layout.value_offset, layout.row_stride) == (4, 2, 16, 32)


@given(st.integers(1, 40), st.integers(1, 70), st.floats(0, 1), st.integers(0, 2**32 - 1), st.sampled_from([8, 4, 16]))
def test_row_matches_definition(width: int, chans: int, density: float, seed: int, bits: int) -> None:
    acts = random_acts((width, chans), density, seed, bits)
    mask, header, values = naive_record(acts)
    data = encode_row(acts, bits)
    assert int.from_bytes(data[: len(header)], "little") == mask
    stored = int.from_bytes(data[len(header) :], "little")
    for index, value in enumerate(values):
        assert stored >> (index * bits) & ((1 << bits) - 1) == value % (1 << bits)
    assert stored >> (len(values) * bits) == 0
    assert len(data) == len(header) + -(-width * chans * bits // 128) * 16
    decoded = decode_row(data, width, chans, bits)
    assert decoded.dtype == acts.dtype and np.array_equal(decoded, acts)


@pytest.mark.parametrize(("chans", "pitch"), [(1, 1), (2, 2), (3, 4), (5, 8), (8, 8), (9, 16), (17, 24), (65, 72)])
def test_value_pitch(chans: int, pitch: int) -> None:
    assert layouts.value_pitch(chans) == pitch


@given(st.integers(1, 40), st.integers(1, 70), st.integers(0, 2**32 - 1), st.sampled_from([8, 4, 16]))
def test_dense_row_matches_definition(width: int, chans: int, seed: int, bits: int) -> None:
    acts = random_acts((width, chans), 0.4, seed, bits)
    data = encode_row(acts, bits, dense=True)
    pitch = layouts.value_pitch(chans)
    stored = int.from_bytes(data, "little")
    for col in range(width):
        for chan in range(pitch):
            value = int(acts[col, chan]) if chan < chans else 0
            assert stored >> ((col * pitch + chan) * bits) & ((1 << bits) - 1) == value % (1 << bits)
    assert len(data) == -(-width * pitch * bits // 128) * 16
    assert np.array_equal(decode_row(data, width, chans, bits, dense=True), acts)


def test_damaged_dense_rows() -> None:
    data = bytearray(encode_row(EXAMPLE, dense=True))
    data[3] = 1
    with pytest.raises(errors.PaddingError):
        decode_row(bytes(data), 3, 3, dense=True)
    data[3], data[0] = 0, 0x80
    with pytest.raises(errors.RangeError):
        decode_row(bytes(data), 3, 3, dense=True)


@given(
    st.integers(0, 3), st.integers(1, 4), st.integers(1, 9), st.integers(1, 70), st.integers(1, 40),
    st.sampled_from([8, 4, 16]), st.integers(0, 2**32 - 1), st.booleans(),
)  # fmt: skip
def test_maps_round_trip(
    images: int, height: int, width: int, chans: int, plane_chans: int, bits: int, seed: int, dense: bool
) -> None:
    acts = random_acts((images, height, width, chans), 0.4, seed, bits)
    layout = layouts.MapLayout(shape=(height, width, chans), plane_chans=plane_chans, bits=bits, dense=dense)
    data = bitmask.encode_maps(acts, layout)
    assert data.shape == (images, layout.map_bytes)
    assert np.array_equal(bitmask.decode_maps(data, layout), acts)


def test_row_addresses_in_map() -> None:
    acts = random_acts((3, 5, 40), 0.5, 1)
    layout = layouts.MapLayout(shape=acts.shape, plane_chans=16)
    data = bitmask.encode_maps(acts[None], layout).tobytes()
    assert (layout.n_planes, layout.row.chans) == (3, 16)
    padded = np.zeros((3, 5, 48), np.int8)
    padded[..., :40] = acts
    for plane in range(3):
        for row in range(3):
            start = plane * layout.plane_stride + row * layout.row.row_stride
            record = padded[row, :, plane * 16 : plane * 16 + 16]
            assert data[start : start + layout.row.row_stride] == encode_row(record)


def test_bytes_after_values_are_not_read() -> None:
    data = bytearray(encode_row(EXAMPLE))
    data[19:] = b"\xff" * (len(data) - 19)
    assert np.array_equal(decode_row(bytes(data), 3, 3), EXAMPLE)


@pytest.mark.parametrize(
    ("index", "value", "error"),
    [
        (0, 0x0A, errors.PaddingError),  # mask bit of channel 3 of 3
        (1, 0x15, errors.PaddingError),  # mask bit beyond the last column
        (17, 0x00, errors.MaskError),  # a marked value is zero
        (17, 0x80, errors.RangeError),  # -128
        (0, 0x06, errors.MaskError),  # one value too few
    ],
)
def test_damaged_row(index: int, value: int, error: type[Exception]) -> None:
    data = bytearray(encode_row(EXAMPLE))
    data[index] = value
    with pytest.raises(error, match=r"row record|mask"):
        decode_row(bytes(data), 3, 3)


def test_damaged_half_bytes() -> None:
    data = bytearray(encode_row(EXAMPLE, 4))
    assert data[16:18] == bytes([0xF5, 0x02])
    for byte, error in ((0x85, errors.RangeError), (0xF0, errors.MaskError)):  # -8, and a marked value of zero
        data[16] = byte
        with pytest.raises(error, match="row record"):
            decode_row(bytes(data), 3, 3, 4)
    with pytest.raises(errors.RangeError, match=r"8 is not in -7\.\.7"):
        encode_row(np.full((1, 1), 8, np.int8), 4)
    with pytest.raises(errors.RangeError, match="row: value"):
        layouts.RowLayout(width=1, chans=1, bits=2)


def test_changes_of_16_bits() -> None:
    changes = np.array([[0, 254, 0], [0, 0, 0], [-1, 0, -254]], np.int16)
    data = encode_row(changes, 16)
    assert data == bytes([0x02, 0x05]) + bytes(14) + bytes([0xFE, 0x00, 0xFF, 0xFF, 0x02, 0xFF]) + bytes(26)
    damaged = data[:17] + b"\x01" + data[18:]  # 510
    with pytest.raises(errors.RangeError, match=r"row record: 510 is not in -254\.\.254"):
        decode_row(damaged, 3, 3, 16)
    with pytest.raises(errors.RangeError, match=r"255 is not in -254\.\.254"):
        encode_row(changes + np.int16(1), 16)


@pytest.mark.parametrize(("bits", "most"), [(4, 7), (8, 127)])
def test_changes_fit_or_are_refused(bits: int, most: int) -> None:
    """Changes of a map of one sign take as many bits as its activations."""
    changes = np.array([[most, -most]], np.int16)
    assert encode_row(changes, bits) == encode_row(changes.astype(np.int8), bits)
    with pytest.raises(errors.RangeError, match=f"{most + 1} is not in -{most}..{most}"):
        encode_row(changes + np.int16(1), bits)


def test_truncated() -> None:
    with pytest.raises(errors.TruncatedError, match="31 bytes, 32 needed"):
        decode_row(encode_row(EXAMPLE)[:-1], 3, 3)
    with pytest.raises(errors.TruncatedError, match="map of"):
        bitmask.decode_maps(np.zeros((2, 63), np.uint8), layouts.MapLayout(shape=(2, 3, 3), plane_chans=3))


@pytest.mark.parametrize(
    ("acts", "error"),
    [
        (np.zeros((2, 2), np.int32), errors.DtypeError),
        (np.zeros((2, 2, 1), np.int8), errors.ShapeError),
        (np.zeros((2, 0), np.int8), errors.ShapeError),
        (np.full((2, 2), -128, np.int8), errors.RangeError),
    ],
)
def test_rejected_rows(acts: np.ndarray, error: type[Exception]) -> None:
    with pytest.raises(error):
        encode_row(acts)


@given(
    st.integers(1, 40), st.integers(1, 70), st.floats(0, 1), st.integers(0, 1000), st.sampled_from([8, 4, 16]),
    st.sampled_from([8, 16]),
)  # fmt: skip
def test_records_with_checks(width: int, chans: int, density: float, seed: int, bits: int, beat: int) -> None:
    """They decode to what they hold, and not at all with a bit flipped where anything is."""
    acts = random_acts((width, chans), density, seed, bits)
    layout = layouts.RowLayout(width=width, chans=chans, bits=bits, checked_beat=beat)
    data = encode_row(acts, bits, checked_beat=beat)
    assert len(data) == layout.row_stride and layout.mask_part % beat == 0
    np.testing.assert_array_equal(decode_row(data, width, chans, bits, checked_beat=beat), acts)
    n_values = -(-np.count_nonzero(acts) * bits // 8)
    parts = [*range(layout.mask_part), *range(layout.value_offset, layout.value_offset + layout.with_check(n_values))]
    rng = np.random.default_rng(seed)
    for at in rng.choice(parts, 5):
        damaged = bytearray(data)
        damaged[at] ^= 1 << int(rng.integers(8))
        with pytest.raises(errors.CheckError, match=r"the check of its (mask|values) does not fit"):
            decode_row(bytes(damaged), width, chans, bits, checked_beat=beat)
