"""Single row records, as maps of one row in one plane."""

import numpy as np

from quiesce.sw.format.bitmask import decode_maps, encode_maps
from quiesce.sw.format.layouts import MapLayout


def encode_row(acts: np.ndarray, bits: int = 8, *, dense: bool = False, checked_beat: int = 0) -> bytes:
    """The record of activations (width, chans)."""
    layout = MapLayout(shape=(1, *acts.shape[-2:]), plane_chans=acts.shape[-1], bits=bits, dense=dense, checked_beat=checked_beat)
    return encode_maps(acts[None, None], layout).tobytes()


def decode_row(data: bytes, width: int, chans: int, bits: int = 8, *, dense: bool = False, checked_beat: int = 0) -> np.ndarray:
    """The activations (width, chans) of a record."""
    maps = np.frombuffer(data, np.uint8)[None]
    layout = MapLayout(shape=(1, width, chans), plane_chans=chans, bits=bits, dense=dense, checked_beat=checked_beat)
    return decode_maps(maps, layout)[0, 0]
