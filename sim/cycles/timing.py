"""Fixed costs of the core: pipeline depths between what the model computes, read off the RTL and checked by validation."""

from dataclasses import dataclass

__all__ = ["Timing"]


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Latencies, cycles.

    Members
    -------
    flush : from the end of a pass until its counters are stored, before which no other pass starts
    first_request : from the start of a pass to its first read request on the bus
    read : from data on the bus to the scanner, added to the latency of the memory
    values : from the last mask beat of a record to the request of its values
    row_turn : from the marker of a row in the PEs to the first detector cycle of the next row
    row_end : from a PE's last operation of a row to the end of the row in the accumulators, if it holds no sums
    drain : from the end of a row to the first group drained
    post : from a group drained to a chunk written
    grant : cycles per group drained while PEs are busy
    write : from the last beat to the end of the pass, added to the latency of the memory
    """

    flush: int = 35
    first_request: int = 5
    read: int = 3
    values: int = 9
    row_turn: int = 4
    row_end: int = 7
    drain: int = 2
    post: int = 12
    grant: int = 1
    write: int = 12
