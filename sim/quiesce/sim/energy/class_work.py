"""Work of module classes that the core counts itself: it moves nets inside of gates, which no named net of the RTL shows."""

from collections.abc import Mapping
from typing import Literal, get_args

from quiesce.spec.config import CoreConfig
from quiesce.spec.performance import Counter

__all__ = ["STORED", "WORKING", "WorkingClass", "work"]

WorkingClass = Literal["mac", "psums", "fifo", "detector"]
WORKING: tuple[str, ...] = get_args(WorkingClass)
"""Classes with work."""

STORED = "fifo"
"""The class whose work is bits that pass through words of flip-flops, whose clocks run for it."""


def _bits_for(depth: int) -> int:
    return max(1, (depth - 1).bit_length())


def work(config: CoreConfig, counters: Mapping[Counter, int]) -> dict[str, float]:
    """Work of each class of WORKING, from a layer's counters.

    - mac: multiplications, which lanes do, zero operands or not: gates inside of a multiplier switch more than its ports tell;
    - psums: bits of sums with their tags, of which an operation of a PE selects one and hands a new one to all registers;
    - fifo: bits of events that are pushed into the PEs' FIFOs and popped from them;
    - detector: events that PEs take from the wires of the broadcast, so that more PEs load it more.
    """
    event_bits = _bits_for(config.mask_depth * config.mask_width) + config.operand_width + 2  # slot, value, two flags
    sum_bits = config.n_lanes * config.acc_width + _bits_for(config.acc_depth) - (config.psum_depth.bit_length() - 1)
    return {
        "mac": counters[Counter.MACS],
        "psums": counters[Counter.MACS] // config.n_lanes * sum_bits,
        "fifo": counters[Counter.FIFO_PUSHES] * event_bits,
        "detector": counters[Counter.FIFO_PUSHES],
    }
