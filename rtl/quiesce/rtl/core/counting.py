"""What the performance counters of a core count."""

from amaranth import Module, Mux, Signal

from quiesce.rtl.core.parts import Parts
from quiesce.spec.config import CoreConfig
from quiesce.spec.performance import Counter, counters_of

__all__ = ["count_activity"]


def count_activity(m: Module, core: CoreConfig, parts: Parts, finished: Signal) -> None:
    """Connect the increments of all counters; an idle lane-cycle has one cause. ``finished`` : see Core."""
    array, scanner, control = parts.array, parts.scanner, parts.control
    activity, count = array.activity, parts.counters.increments
    idle = Signal(range(core.lanes + 1))
    cause = Signal(Counter, init=Counter.IDLE_STARVED)
    m.d.comb += idle.eq(core.lanes - activity.busy * core.n_lanes)
    with m.If(~control.running | control.ahead | scanner.scanned | scanner.preparing):
        m.d.comb += cause.eq(Counter.IDLE_DRAIN)
    with m.Elif(array.blocked):
        m.d.comb += cause.eq(Counter.IDLE_IMBALANCE)
    with m.Elif(scanner.waiting_memory):
        m.d.comb += cause.eq(Counter.IDLE_MEMORY)
    with m.Elif(scanner.waiting_row):
        m.d.comb += cause.eq(Counter.IDLE_POST)
    for counter in counters_of(core):
        if counter.name.startswith("IDLE_"):
            m.d.comb += count[counter].eq(Mux(cause == counter, idle, 0))
    m.d.comb += [
        count[Counter.CYCLES].eq(~finished),
        count[Counter.EVENTS].eq(scanner.event_found),
        count[Counter.MACS].eq(activity.busy * core.n_lanes),
        count[Counter.EFFECTUAL_MACS].eq(activity.n_effectual),
        count[Counter.ACC_ACCESSES].eq(activity.acc_accesses),
        count[Counter.WEIGHT_READS].eq(activity.row_reads),
        count[Counter.MASK_READS].eq(activity.mask_reads),
        count[Counter.BEATS_READ].eq(parts.reader.beats_read),
        count[Counter.BEATS_WRITTEN].eq(parts.encoder.beats_written),
        count[Counter.FIFO_PUSHES].eq(activity.pushes),
        count[Counter.PROGRAM_BEATS].eq(parts.sequencer.i_beats.valid & parts.sequencer.i_beats.ready),
    ]
    if parts.winners is not None:
        m.d.comb += [
            count[Counter.RANKING].eq(parts.winners.ranking),
            count[Counter.MAXIMA_ACCESSES].eq(parts.winners.access),
        ]
    if core.state_depth:
        m.d.comb += [
            count[Counter.CLEAN_ROWS].eq(parts.drain.row_left_out),
            count[Counter.SUM_READS].eq(parts.post.sum_read),
            count[Counter.SUM_WRITES].eq(parts.post.sum_write),
            count[Counter.SENT_ACCESSES].eq(parts.post.sent_access),
        ]
