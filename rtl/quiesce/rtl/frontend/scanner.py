"""Front end of a core: from rows in the activation buffers to events for the PE array."""

from typing import Any

from amaranth import Const, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from quiesce.rtl.frontend.axis import Axis
from quiesce.rtl.frontend.column_table import ColumnTable
from quiesce.rtl.frontend.context import CONTEXT_FIELDS, ContextStage
from quiesce.rtl.frontend.event_source import EventSource
from quiesce.rtl.frontend.interfaces import buffer_signature
from quiesce.rtl.frontend.source_ports import mark_members
from quiesce.rtl.lib.checked_ram import join_status, status_ports
from quiesce.rtl.lib.layouts import connect_all, connect_fields, pass_layout
from quiesce.rtl.pe.interfaces import broadcast_layout
from quiesce.rtl.plain.channel_walk import ChannelWalk
from quiesce.spec.config import CoreConfig

__all__ = ["Scanner"]

_AXIS_FIELDS = {
    "row": {
        "stride": "row_stride", "phase": "row_phase", "quot": "row_quot", "split": "row_split", "reach_hi": "row_reach_hi",
        "reach_lo": "row_reach_lo", "phase_slots": "row_phase_slots", "acc_pitch": "acc_row_pitch", "out_first": "out_row_first",
        "n_out": "n_out_rows",
    },
    "col": {
        "stride": "col_stride", "phase": "col_phase", "quot": "col_quot", "split": "col_split", "reach_hi": "col_reach_hi",
        "reach_lo": "col_reach_lo", "phase_slots": "col_phase_slots", "acc_pitch": "acc_col_pitch", "n_out": "n_out_cols",
    },
}  # fmt: skip


def _scanner_fields(source: EventSource | ChannelWalk) -> tuple[str, ...]:
    axis_fields = [field for fields in _AXIS_FIELDS.values() for field in fields.values()]
    own = ("no_skip", "n_cols", "ring_rows")
    return tuple(dict.fromkeys([*(name for name, _ in source.config.shape()), *CONTEXT_FIELDS, *own, *axis_fields]))


class Scanner(wiring.Component):
    """A source of activations, the tables that they are looked up in, and ContextStage.

    Sustains one event per cycle. A row starts only when the accumulators of the last output row that it touches are free:
    fewer than ``ring_rows`` rows in use; and if losers are left out, when they are known (``ranked``).

    Members
    -------
    start : pulse with a stable ``config``
    dense : emit zero activations too
    drained : output rows of this pass that have been drained
    release : events may go to the array; until then the first one waits at its door
    exists, dr, dc : position table, see ContextStage
    buffers : see buffer_signature
    mark_row, marks, ranked : with winners only, see Winners; ``mark_row`` is read with ``buffers.mask_en``
    o_events : one event at a time, to be taken by all PEs together
    last_row : with state only: last output row that the events and the end of the present input row reach, from the first of the
        pass on; negative if none
    event_found : for the counters
    waiting_memory, waiting_row, preparing, scanned : why no event is offered (for the counters)
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        self._source = EventSource(config) if config.zero_skipping else ChannelWalk(config)
        super().__init__(
            {
                "start": In(1),
                "config": In(pass_layout(*_scanner_fields(self._source))),
                "dense": In(1),
                "drained": In(16),
                "release": In(1),
                "exists": In(config.mask_width),
                "dr": In(signed(8)).array(config.mask_width),
                "dc": In(signed(8)).array(config.mask_width),
                "buffers": Out(buffer_signature(config)),
                "o_events": Out(stream.Signature(broadcast_layout(config))),
                "event_found": Out(1),
                "waiting_memory": Out(1),
                "waiting_row": Out(1),
                "preparing": Out(1),
                "scanned": Out(1),
                **({"last_row": Out(signed(18))} if config.state_depth else {}),
                **mark_members(config),
                **({"ranked": In(1)} if config.winner_depth else {}),
                **status_ports(config.ram_check),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        core, config = self._config, self.config
        m.submodules.row = row = Axis(core)
        m.submodules.columns = columns = ColumnTable(core)
        m.submodules.source = source = self._source
        m.submodules.context = context = ContextStage(core)
        join_status(m, self, [columns])

        for field, name in _AXIS_FIELDS["row"].items():
            m.d.comb += row.config[field].eq(config[name])
        for field, name in _AXIS_FIELDS["col"].items():
            m.d.comb += columns.config[field].eq(config[name])
        for part in (source, context):
            connect_fields(m.d.comb, part.config, config)
            m.d.comb += part.start.eq(self.start)

        known = Const(1)
        if core.winner_depth:
            known = self.ranked | ~config.in_ranked
            m.d.comb += [self.mark_row.eq(source.mark_row), source.marks.eq(self.marks)]
        connect(m, source.buffers, flipped(self.buffers))
        connect(m, context.o_events, flipped(self.o_events))

        last_row = Signal(signed(18))  # last output row that the present input row touches, counted from the first of the pass
        m.d.comb += last_row.eq(
            Mux(row.quot - config.out_row_first < config.n_out_rows, row.quot - config.out_row_first, config.n_out_rows - 1)
        )
        m.d.comb += [
            context.i_found.payload.eq(source.o_found.payload),
            context.i_found.valid.eq(source.o_found.valid & self.release),
            source.o_found.ready.eq(context.i_found.ready & self.release),
            row.start.eq(self.start),
            row.advance.eq(source.row_advance),
            columns.start.eq(self.start),
            columns.n_cols.eq(config.n_cols),
            columns.en.eq(context.col_en),
            columns.col.eq(source.o_found.payload.col),
            source.go.eq(row.ready & columns.ready & known & (last_row < self.drained + config.ring_rows)),
            source.settled.eq(~context.busy),
            source.emit_zeros.eq(self.dense | config.no_skip),
            context.value.eq(self.buffers.value_data),
            context.row.eq(row.entry),
            context.col_entry.eq(columns.entry),
            context.exists.eq(self.exists),
            self.event_found.eq(context.event_found),
            self.waiting_memory.eq(source.waiting_memory & ~context.busy),
            self.waiting_row.eq(source.waiting_row),
            self.preparing.eq(source.waiting_row & ~(row.ready & columns.ready)),
            self.scanned.eq(source.scanned & ~context.busy),
        ]
        if core.state_depth:
            m.d.comb += self.last_row.eq(last_row)
        connect_all(m.d.comb, context.dr, self.dr)
        connect_all(m.d.comb, context.dc, self.dc)
        return m
