"""Fixed costs of the core: pipeline depths between what the model computes, read off the RTL and checked by validation."""

from dataclasses import dataclass

from quiesce.spec.config import CoreConfig
from quiesce.spec.performance import counters_of

__all__ = ["LATENCIES", "flush_cycles", "post_cycles"]


@dataclass(frozen=True, kw_only=True)
class _Latencies:
    """Latencies, cycles.

    Members
    -------
    table : from the start of the front to the first detector cycle, beyond the columns of its table
    read : from masks on the bus to the detector, which sees values at once
    row_turn : from the row end in the PEs to the detector cycle before the first of the next row
    scan_end : from the last row end to the end of the scan
    array_end : from the last row's end to the end of the pass in the array
    drain : from the end of a row to the first group drained
    drain_end : from the last group drained to the end of the pass in the array
    ring : from a row drained to the scan of a row in its place
    rank : from the last group drained to the first row of maxima read for the ranking
    ranked : from the last row of the ranking to the first detector cycle of their reader
    """

    table: int = 4
    read: int = 2
    row_turn: int = 4
    scan_end: int = 2
    array_end: int = 1
    drain: int = 1
    drain_end: int = 1
    ring: int = 3
    rank: int = 8
    ranked: int = 3


LATENCIES = _Latencies()


def post_cycles(config: CoreConfig) -> int:
    """From the last chunk of a row cut to the request of its mask; state between items has a stage on either side."""
    return 11 if config.state_depth else 9


def flush_cycles(config: CoreConfig) -> int:
    """From the end of a pass until its counters are stored, before which no other pass ends."""
    return 2 * len(counters_of(config)) + 1
