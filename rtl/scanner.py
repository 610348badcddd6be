"""Front end of a core: from compressed rows in the activation buffer to events for the PE array."""

from amaranth import Const, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from quiesce.rtl.axis import Axis
from quiesce.rtl.bits import bits_for_index
from quiesce.rtl.column_table import ColumnTable
from quiesce.rtl.context import CONTEXT_FIELDS, ContextStage, broadcast_layout
from quiesce.rtl.detector import Detector, detector_fields
from quiesce.rtl.layouts import connect_all, connect_fields, pass_layout
from quiesce.rtl.word_fetch import WordFetch, beat_pointer_width, fetch_fields
from quiesce.sw.config import CoreConfig

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


def _scanner_fields(config: CoreConfig) -> tuple[str, ...]:
    axis_fields = [field for fields in _AXIS_FIELDS.values() for field in fields.values()]
    own = ("no_skip", "n_cols", "ring_rows")
    return tuple(dict.fromkeys([*fetch_fields(config), *detector_fields(config), *CONTEXT_FIELDS, *own, *axis_fields]))


def _mark_members(config: CoreConfig) -> dict:
    return {"mark_row": Out(bits_for_index(config.winner_rows)), "marks": In(config.detector_width), "ranked": In(1)}


class Scanner(wiring.Component):
    """WordFetch, Detector and ContextStage in a row, with the tables that they look up.

    Sustains one event per cycle. A row starts only when the accumulators of the last output row that it touches are free:
    fewer than ``ring_rows`` rows in use; and if losers are left out, when they are known (``ranked``).

    Members
    -------
    start : pulse with a stable ``config``
    dense : emit zero activations too
    drained : output rows of this pass that have been drained
    release : events may go to the array; until then the first one waits at its door
    exists, dr, dc : position table, see ContextStage
    mask_*, value_* : read side and ring pointers of the activation buffer
    mark_row, marks, ranked : with winners only, see Winners; ``mark_row`` is read with ``mask_en``
    o_events : one event at a time, to be taken by all PEs together
    event_found : for the counters
    waiting_memory, waiting_row, preparing, scanned : why no event is offered (for the counters)
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        words = config.act_depth * config.data_width // config.detector_width
        super().__init__(
            {
                "start": In(1),
                "config": In(pass_layout(*_scanner_fields(config))),
                "dense": In(1),
                "drained": In(16),
                "release": In(1),
                "exists": In(config.mask_width),
                "dr": In(signed(8)).array(config.mask_width),
                "dc": In(signed(8)).array(config.mask_width),
                "mask_en": Out(1),
                "mask_addr": Out(bits_for_index(words)),
                "mask_data": In(config.detector_width),
                "mask_written": In(beat_pointer_width(config)),
                "mask_freed": Out(beat_pointer_width(config)),
                "value_en": Out(1),
                "value_addr": Out(bits_for_index(config.act_depth * config.beat_bytes) + 1),
                "value_narrow": Out(1),
                "value_data": In(signed(8)),
                "value_written": In(beat_pointer_width(config)),
                "value_freed": Out(beat_pointer_width(config)),
                "o_events": Out(stream.Signature(broadcast_layout(config))),
                "event_found": Out(1),
                "waiting_memory": Out(1),
                "waiting_row": Out(1),
                "preparing": Out(1),
                "scanned": Out(1),
                **(_mark_members(config) if config.winner_depth else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        core, config = self._config, self.config
        m.submodules.row = row = Axis(core)
        m.submodules.columns = columns = ColumnTable(core)
        m.submodules.fetch = fetch = WordFetch(core)
        m.submodules.detector = detector = Detector(core)
        m.submodules.context = context = ContextStage(core)

        for field, source in _AXIS_FIELDS["row"].items():
            m.d.comb += row.config[field].eq(config[source])
        for field, source in _AXIS_FIELDS["col"].items():
            m.d.comb += columns.config[field].eq(config[source])
        for part in (fetch, detector, context):
            connect_fields(m.d.comb, part.config, config)
        for part in (fetch, context):
            m.d.comb += part.start.eq(self.start)

        known = Const(1)
        if core.winner_depth:
            known = self.ranked | ~config.in_ranked
            m.d.comb += [self.mark_row.eq(fetch.mark_row), detector.marks.eq(self.marks)]
        connect(m, fetch.o_words, detector.i_words)
        connect(m, context.o_events, flipped(self.o_events))

        last_row = Signal(signed(18))  # last output row that the present input row touches, counted from the first of the pass
        m.d.comb += last_row.eq(
            Mux(row.quot - config.out_row_first < config.n_out_rows, row.quot - config.out_row_first, config.n_out_rows - 1)
        )
        m.d.comb += [
            context.i_found.payload.eq(detector.o_found.payload),
            context.i_found.valid.eq(detector.o_found.valid & self.release),
            detector.o_found.ready.eq(context.i_found.ready & self.release),
            row.start.eq(self.start),
            row.advance.eq(fetch.row_advance),
            columns.start.eq(self.start),
            columns.n_cols.eq(config.n_cols),
            columns.en.eq(context.col_en),
            columns.col.eq(detector.o_found.payload.col),
            fetch.go.eq(row.ready & columns.ready & known & (last_row < self.drained + config.ring_rows)),
            fetch.settled.eq(~detector.busy & ~context.busy),
            fetch.mask_written.eq(self.mask_written),
            self.mask_en.eq(fetch.mask_en),
            self.mask_addr.eq(fetch.mask_addr),
            detector.mask_data.eq(self.mask_data),
            detector.emit_zeros.eq(self.dense | config.no_skip),
            detector.value_written.eq(self.value_written),
            self.mask_freed.eq(detector.mask_freed),
            self.value_freed.eq(detector.value_freed),
            self.value_en.eq(detector.value_en),
            self.value_addr.eq(detector.value_addr),
            self.value_narrow.eq(detector.value_narrow),
            context.value.eq(self.value_data),
            context.row.eq(row.entry),
            context.col_entry.eq(columns.entry),
            context.exists.eq(self.exists),
            self.event_found.eq(context.event_found),
            self.waiting_memory.eq((fetch.waiting_masks | detector.waiting_values) & ~context.busy),
            self.waiting_row.eq(fetch.waiting_row),
            self.preparing.eq(fetch.waiting_row & ~(row.ready & columns.ready)),
            self.scanned.eq(fetch.scanned & ~detector.busy & ~context.busy),
        ]
        connect_all(m.d.comb, context.dr, self.dr)
        connect_all(m.d.comb, context.dc, self.dc)
        return m
