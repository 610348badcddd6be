"""Performance counters of a core."""

from quiesce.spec.config import CoreConfig
from quiesce.spec.fields import Documented

__all__ = ["COUNTER_STRIDE", "COUNTER_WIDTH", "Counter", "counters_of"]

COUNTER_WIDTH = 48
COUNTER_STRIDE = 32
"""Counters of a set, from one set to the next."""


class Counter(Documented):
    """Per-layer counters of each core, summed over passes and items."""

    CYCLES = 0
    EVENTS = 1, "Nonzero activations that the detector emitted."
    MACS = 2, "Lane operations issued (in dense mode including those with a zero operand)."
    EFFECTUAL_MACS = 3, "Lane operations with both operands nonzero."
    IDLE_STARVED = 4, "Idle lane-cycles while the detector scanned zeros or a pipeline filled."
    IDLE_IMBALANCE = 5, "Idle lane-cycles while another PE's event FIFO was full."
    IDLE_MEMORY = 6, "Idle lane-cycles while the detector waited for activations from memory."
    IDLE_POST = 7, "Idle lane-cycles while finished output rows held the accumulators."
    IDLE_DRAIN = 8, "Idle lane-cycles after the last event of a pass, and while a pass was configured."
    ACC_ACCESSES = (
        9,
        "Accumulator memory accesses, all PEs: sums evicted from the registers and words drained, each a read and a write.",
    )
    WEIGHT_READS = 10, "Weight memory rows read, all PEs."
    MASK_READS = 11, "Weight-mask words read, all PEs."
    BEATS_READ = 12, "Activation beats read over AXI4."
    BEATS_WRITTEN = 13, "Activation beats written over AXI4."
    FIFO_PUSHES = 14, "Events written into PE FIFOs, all PEs."
    PROGRAM_BEATS = (
        15,
        "Program beats (weights, parameters, pass descriptions) executed since the previous pass ended; one that several "
        "cores execute counts in each, though it crosses the bus once.",
    )
    RANKING = (
        16,
        "Cycles in which the channels of a map were ranked, counted for the layer in the array: most often the one that "
        "reads the map and waits for its winners.",
    )
    MAXIMA_ACCESSES = 17, "Rows of channel maxima read and written for outputs; a cycle of RANKING is another read."
    CLEAN_ROWS = 18, "Output rows of a plane that no change had reached: neither drained nor post-processed."
    SUM_READS = 19, "Rows of kept sums, of `post_units` outputs each, that were read."
    SUM_WRITES = 20, "Rows of kept sums that were written: outputs whose sums had changed, or that began a stream."
    SENT_ACCESSES = 21, "Rows of values sent last that were read and written; in the first item of a stream only written."


def counters_of(config: CoreConfig) -> tuple[Counter, ...]:
    """Counters that a core has; the others read as zero."""
    return tuple(counter for counter in Counter if config.state_depth or counter < Counter.CLEAN_ROWS)
