"""Single row records, as maps of one row in one plane."""

import numpy as np

from quiesce.sw.format.bitmask import decode_maps, encode_maps


def encode_row(acts: np.ndarray, bits: int = 8, *, dense: bool = False, checked_beat: int = 0) -> bytes:
    """The record of activations (width, chans)."""
    return encode_maps(acts[None, None], acts.shape[-1], bits, dense=dense, checked_beat=checked_beat).tobytes()


def decode_row(data: bytes, width: int, chans: int, bits: int = 8, *, dense: bool = False, checked_beat: int = 0) -> np.ndarray:
    """The activations (width, chans) of a record."""
    maps = np.frombuffer(data, np.uint8)[None]
    return decode_maps(maps, (1, width, chans), chans, bits, dense=dense, checked_beat=checked_beat)[0, 0]
