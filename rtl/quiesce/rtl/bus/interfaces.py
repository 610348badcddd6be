"""Payloads of the way to memory: requests, bursts for the bus, and beats of rows."""

from amaranth.lib import data
from amaranth.utils import exact_log2

from quiesce.rtl.lib.bits import bits_for_index
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import BURST_BEATS, Region

__all__ = ["Burst", "REGIONS", "RUN_LAYOUT", "issued_layout", "packed_layout"]


class Burst(data.Struct):
    """One burst, for reading and writing alike."""

    # Amaranth wants shapes where mypy expects types.
    region: 2  # type: ignore[valid-type]  # isa.Region
    offset: 32  # type: ignore[valid-type]  # bytes from the region's base, aligned to a beat
    beats: 5  # type: ignore[valid-type]  # 1..BURST_BEATS


REGIONS = data.ArrayLayout(32, len(Region))
"""A base or size, bytes, for each `isa.Region`."""


def issued_layout(config: CoreConfig, n_clients: int) -> data.StructLayout:
    """A burst ready for the bus: the ``client`` that asked, byte ``address`` and ``length``, its beats less one."""
    return data.StructLayout({
        "client": bits_for_index(n_clients),
        "address": config.addr_width,
        "length": exact_log2(BURST_BEATS),
    })  # fmt: skip


RUN_LAYOUT = data.StructLayout({"region": 2, "offset": 32, "stride": 32, "n_rows": 16})
"""Where rows go: ``offset`` of the first one in ``region``, ``stride`` from one to the next, bytes aligned to beats."""


def packed_layout(config: CoreConfig) -> data.StructLayout:
    """One beat of a row: ``last`` ends the row; ``empty`` (with ``last`` only) stands for a row without any beat."""
    return data.StructLayout({"beat": config.data_width, "last": 1, "empty": 1})
