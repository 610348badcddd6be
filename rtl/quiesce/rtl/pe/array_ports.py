"""What arrays of PEs have in common: their ports, and what they make of all PEs' results."""

from collections.abc import Iterable, Sequence

from amaranth import Cat, Module, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.lib.bits import bits_for_index, popcount
from quiesce.rtl.lib.checked_ram import join_status, status_ports
from quiesce.rtl.lib.layouts import pass_layout
from quiesce.rtl.pe.interfaces import acc_addr_width, broadcast_layout, load_signature
from quiesce.rtl.pe.row_join import RowJoin
from quiesce.spec.config import CoreConfig

__all__ = ["activity_layout", "array_members", "join_results", "total"]


def activity_layout(config: CoreConfig) -> data.StructLayout:
    """What the PEs did in one cycle: each a number of PEs, the MACs a number of lanes, accumulators up to two accesses a PE."""
    pes, lanes = range(config.n_pes + 1), range(config.lanes + 1)
    return data.StructLayout(
        {
            "busy": pes,
            "n_effectual": lanes,
            "row_reads": pes,
            "mask_reads": pes,
            "acc_accesses": range(2 * config.n_pes + 1),
            "pushes": pes,
        }
    )


def array_members(config: CoreConfig, *fields: str) -> dict[str, wiring.Member]:
    """Ports of an array that needs the given pass fields.

    Members
    -------
    i_events : events and contexts
    load, load_pe : write ports of the weight memories, and the PE they go to
    dense : visit every position, those of pruned weights too
    offset : accumulator offset of each position
    drain, drain_addr, drain_grant, drained : per PE a request bit, a grant and the accumulators' contents
    row_done : pulse, every PE has finished one more input row
    blocked : an event is held up
    idle : every PE is empty
    activity : for the counters
    ram_status : of the PEs' RAMs, if they are protected
    """
    return {
        "i_events": In(stream.Signature(broadcast_layout(config))),
        "load": In(load_signature(config)),
        "load_pe": In(bits_for_index(config.n_pes)),
        "config": In(pass_layout(*fields)),
        "dense": In(1),
        "offset": In(acc_addr_width(config)).array(config.mask_width),
        "drain": In(config.n_pes),
        "drain_addr": In(acc_addr_width(config)),
        "drain_grant": Out(config.n_pes),
        "drained": Out(data.ArrayLayout(signed(config.acc_width), config.lanes)),
        "row_done": Out(1),
        "blocked": Out(1),
        "idle": Out(1),
        "activity": Out(activity_layout(config)),
        **status_ports(config.ram_check),
    }


def total(pes: Iterable[wiring.Component], name: str) -> Value:
    """How many of the PEs have the bit ``name`` set."""
    return popcount(Cat(getattr(pe, name) for pe in pes))


def join_results(m: Module, array: wiring.Component, pes: Sequence[wiring.Component]) -> RowJoin:
    """Connect the draining of the PEs and what is asked of all of them; returns which of them are too far ahead."""
    config = array.config_of_core
    m.submodules.rows = rows = RowJoin(config)
    join_status(m, array, pes)
    for n, pe in enumerate(pes):
        m.d.comb += [
            pe.drain.eq(array.drain[n]),
            pe.drain_addr.eq(array.drain_addr),
            array.drain_grant[n].eq(pe.drain_grant),
            rows.finished[n].eq(pe.row_done),
        ]
        for lane in range(config.n_lanes):
            m.d.comb += array.drained[n * config.n_lanes + lane].eq(pe.drained[lane])
    m.d.comb += [
        array.row_done.eq(rows.row_done),
        array.blocked.eq(array.i_events.valid & ~array.i_events.ready),
        array.activity.busy.eq(total(pes, "busy")),
        array.activity.row_reads.eq(total(pes, "row_read")),
        array.activity.acc_accesses.eq(sum(pe.n_acc_accesses for pe in pes)),
        array.activity.n_effectual.eq(sum(pe.n_effectual for pe in pes)),
    ]
    return rows
