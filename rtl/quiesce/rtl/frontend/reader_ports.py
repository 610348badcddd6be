"""What the readers of row records have in common, with masks and without."""

from amaranth import Module, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.bus.interfaces import Burst
from quiesce.rtl.frontend.interfaces import buffer_signature
from quiesce.rtl.frontend.record_walk import WALK_FIELDS, RecordWalk
from quiesce.rtl.frontend.value_ring import ValueRing
from quiesce.rtl.lib.checked_ram import status_ports
from quiesce.rtl.lib.layouts import connect_fields, pass_layout
from quiesce.spec.config import CoreConfig

__all__ = ["connect_values", "connect_walk", "fits", "reader_members", "request_burst"]


def reader_members(config: CoreConfig, *fields: str) -> dict[str, wiring.Member]:
    """Ports of a reader that needs the given pass fields besides those of RecordWalk.

    Members
    -------
    start : pulse, only while ``done``; begin a pass
    done : all of the last pass has arrived
    config : stable from ``start`` until ``done``; offsets and strides are multiples of a beat
    rows_written : rows in memory of the last pass that writes before this one; ``all_written`` : all of them
    request, data : client of the read DMA, data in the order of the requests
    buffers : see buffer_signature
    beats_read : a beat was taken in this cycle
    """
    return {
        "start": In(1),
        "done": Out(1),
        "config": In(pass_layout(*WALK_FIELDS, "in_region", *fields)),
        "rows_written": In(16),
        "all_written": In(1),
        "request": Out(stream.Signature(Burst)),
        "data": In(stream.Signature(unsigned(config.data_width))),
        "buffers": In(buffer_signature(config)),
        "beats_read": Out(1),
        **status_ports(config.ram_check),
    }


def connect_walk(m: Module, reader: wiring.Component, walk: RecordWalk) -> None:
    """Give the walk through the records what the ``reader`` is told; ``walk.next`` is left."""
    connect_fields(m.d.comb, walk.config, reader.config)
    m.d.comb += [
        walk.start.eq(reader.start),
        walk.rows_written.eq(reader.rows_written),
        walk.all_written.eq(reader.all_written),
    ]


def connect_values(m: Module, buffers: wiring.PureInterface, ring: ValueRing) -> None:
    """Let the ``buffers`` read values from the ring."""
    m.d.comb += [
        ring.en.eq(buffers.value_en),
        ring.addr.eq(buffers.value_addr),
        ring.narrow.eq(buffers.value_narrow),
        buffers.value_data.eq(ring.value),
        buffers.value_written.eq(ring.written),
    ]
    if hasattr(ring, "wide"):
        m.d.comb += ring.wide.eq(buffers.value_wide)


def fits(core: CoreConfig, bursts: stream.Interface, requested: Signal, freed: Signal) -> Value:
    """Whether there is a burst, and room in its ring: for ``act_depth`` beats from the ``freed`` ones on."""
    used = (requested - freed)[: len(requested)]
    return bursts.valid & (used + bursts.payload.beats <= core.act_depth)


def request_burst(m: Module, reader: wiring.Component, take: Signal, burst: data.View) -> None:
    """Hold the ``burst`` that is taken at the request port until the DMA takes it."""
    request = reader.request
    with m.If(request.ready):
        m.d.sync += request.valid.eq(0)
    with m.If(take):
        m.d.sync += [
            request.valid.eq(1),
            request.payload.region.eq(reader.config.in_region),
            request.payload.offset.eq(burst.offset),
            request.payload.beats.eq(burst.beats),
        ]
