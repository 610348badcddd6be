"""Post-processing: finished partial sums of all lanes to chunks of activations."""

from typing import Any

from amaranth import Array, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from quiesce.rtl.backend.chunk_walk import WALK_FIELDS, ChunkWalk
from quiesce.rtl.backend.interfaces import chunk_layout, group_layout, n_slices
from quiesce.rtl.backend.kept_state import SENT_FIELDS, KeptSums, SentValues
from quiesce.rtl.backend.requantize import PARAM_LAYOUT, PARAM_WIDTH, Requantize
from quiesce.rtl.lib.checked_ram import CheckedRam, join_status, make_ram, status_ports
from quiesce.rtl.lib.layouts import connect_fields, pass_layout
from quiesce.rtl.lib.ram import Ram
from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.config import CoreConfig

__all__ = ["PostProcess"]

_STATE_FIELDS = ("in_delta", *SENT_FIELDS)
_STATE_PORTS = {"fresh": In(1), "recheck": In(1), "sum_read": Out(1), "sum_write": Out(1), "sent_access": Out(1)}


class _Stages:
    """The pipeline behind the cut: which chunks are where, and what they are.

    ``cut`` : of the chunk that is being cut; ``valid[0]``, ``tags[0]`` : it has been; ``valid[-1]``, ``tags[-1]`` : at the
    output; ``en[step]`` : a chunk goes from there to the next
    """

    def __init__(self, m: Module, config: CoreConfig, n_stages: int, advance: Signal, cut: Signal):
        state = {"has_row": 1, "clean": 1, "uses": 1} if config.state_depth else {}
        tag = data.StructLayout({"exists": config.post_units, "row_last": 1, **state})
        self.cut = Signal(tag)
        self.valid = Signal(1 + n_stages)
        self.tags = [Signal(tag, reset_less=True, name=f"tag_{stage}") for stage in range(1 + n_stages)]
        self.en = self.valid[:-1] & advance.replicate(n_stages)
        with m.If(advance):
            m.d.sync += self.valid.eq((self.valid << 1) | cut)
        with m.If(cut):
            m.d.sync += self.tags[0].eq(self.cut)
        for stage in range(n_stages):
            with m.If(self.en[stage]):
                m.d.sync += self.tags[stage + 1].eq(self.tags[stage])


class PostProcess(wiring.Component):
    """Cut groups of partial sums into chunks of ``post_units`` channels and requantise them.

    Chunk ``k`` of a pixel covers the channels from ``k * post_units`` on and uses row ``param_row + k`` of the parameter memory.
    Channels from ``valid_chans`` on are zero; chunks behind the last group wait for nothing.

    In a core with state between items, sums of changes are added to kept ones before requantisation, and outputs are compared
    with what was sent last behind it (see KeptSums and SentValues); each chunk of a group has a row in both memories, in the
    order of the chunks, from ``state_row`` on.

    Latency from the acceptance of a group to its first chunk is ``latency`` cycles. One chunk per cycle is sustained across
    groups, pixels and rows, as the next group is accepted in the cycle that cuts the last chunk of the one before. A chunk that
    is not taken stalls all. Reset: control state only.

    Members
    -------
    start : pulse; begins a pass. No chunk of the pass before may be inside; the first group of this one may be.
    config : stable during a pass; ``n_groups`` groups of lanes hold the ``valid_chans`` channels of a pixel
    i_psums : ``n_groups`` items per pixel, pixel by pixel, row by row, see group_layout
    param_en, param_chan, param_data : write parameters (requantize.PARAM_LAYOUT) of entry ``row * post_units + unit``
    o_chunks : ``chunks`` items per pixel
    fresh, recheck : with state only, stable during a pass: the item is the first of a stream; outputs whose sums did not change
        may have to be sent, too (always so in the first)
    sum_read, sum_write, sent_access : with state only: which rows of state are read and written for the chunk that is cut
    """

    def __init__(self, config: CoreConfig):
        self._core = config
        # With state between items there is a stage before requantisation and one behind it.
        self._n_before = int(config.state_depth > 0)
        self._n_stages = Requantize.LATENCY + 2 * self._n_before
        fields = (*WALK_FIELDS, "valid_chans", "chunk_bits", "param_row", "clip_low", "clip_high", "threshold")
        super().__init__(
            {
                "start": In(1),
                "config": In(pass_layout(*fields, *(_STATE_FIELDS if config.state_depth else ()))),
                "i_psums": In(stream.Signature(group_layout(config))),
                "param_en": In(1),
                "param_chan": In(16),
                "param_data": In(PARAM_WIDTH),
                "o_chunks": Out(stream.Signature(chunk_layout(config))),
                **(_STATE_PORTS if config.state_depth else {}),
                **status_ports(config.ram_check),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from the acceptance of a group to its first chunk: held, cut, and the stages."""
        return 2 + self._n_stages

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        core, config = self._core, self.config
        n_units = core.post_units
        m.submodules.walk = walk = ChunkWalk(core)
        connect_fields(m.d.comb, walk.config, config)

        advance = Signal()
        cut = Signal()
        m.d.comb += [
            advance.eq(self.o_chunks.ready | ~self.o_chunks.valid),
            walk.start.eq(self.start),
            walk.next.eq(cut),
        ]
        cut_slice = self._hold_group(m, walk, advance, cut)
        stages = _Stages(m, core, self._n_stages, advance, cut)
        psums = [Signal(signed(core.acc_width), reset_less=True, name=f"psum_{index}") for index in range(n_units)]
        m.d.comb += [
            stages.cut.exists.eq(self._exists(walk.chunk)),
            stages.cut.row_last.eq(walk.row_last),
        ]
        for index, psum in enumerate(psums):
            with m.If(cut & stages.cut.exists[index]):
                m.d.sync += psum.eq(cut_slice.word_select(index, core.acc_width))

        params = self._param_memory(m)
        with_rams: list[wiring.Component] = [params]
        if core.state_depth:
            chunk = Signal.like(walk.chunk, reset_less=True)
            with m.If(cut):
                m.d.sync += chunk.eq(walk.chunk)
            m.d.comb += [params.read_en.eq(stages.en[0]), params.read_addr.eq(config.param_row + chunk)]
            m.submodules.kept = kept = KeptSums(core)
            m.submodules.sent = sent = SentValues(core)
            with_rams += [kept, sent]
            row_pitch = self._add_kept(m, kept, cut, walk, stages, psums)
            values = self._requantize(m, stages, list(kept.sums), params)
            values = self._compare_sent(m, sent, stages, row_pitch, values)
        else:  # the parameters are read while the chunk is cut
            m.d.comb += [params.read_en.eq(cut), params.read_addr.eq(config.param_row + walk.chunk)]
            values = self._requantize(m, stages, psums, params)
        join_status(m, self, with_rams)
        m.d.comb += [
            self.o_chunks.valid.eq(stages.valid[-1]),
            self.o_chunks.payload.count.eq(config.chunk_bits),
            self.o_chunks.payload.row_last.eq(stages.tags[-1].row_last),
            *(
                self.o_chunks.payload.values[index].eq(Mux(stages.tags[-1].exists[index], value, 0))
                for index, value in enumerate(values)
            ),
        ]
        return m

    def _hold_group(self, m: Module, walk: ChunkWalk, advance: Signal, cut: Signal) -> Signal:
        """The group that is being cut; returns the slice of the next chunk."""
        core, psums = self._core, self.i_psums
        # A slice of the group that no chunk takes keeps what it has.
        slice_width = core.post_units * core.acc_width
        group = [Signal(slice_width, reset_less=True, name=f"group_{index}") for index in range(n_slices(core))]
        group_valid = Signal()
        cut_slice = Signal(slice_width)
        m.d.comb += [
            cut.eq(advance & walk.active & (group_valid | ~walk.needs_group)),
            psums.ready.eq(~group_valid | (cut & walk.group_done)),
            cut_slice.eq(Array(group)[walk.slice]),
        ]
        with m.If(psums.ready):
            m.d.sync += group_valid.eq(psums.valid)
            for index, part in enumerate(group):
                with m.If(psums.valid & psums.payload.used[index]):
                    m.d.sync += part.eq(psums.payload.sums.as_value().word_select(index, len(part)))
        if core.state_depth:
            clean = Signal()
            with m.If(psums.ready & psums.valid):
                m.d.sync += clean.eq(psums.payload.clean)
            m.d.comb += walk.whole_row.eq(walk.needs_group & clean)
        return cut_slice

    def _requantize(self, m: Module, stages: _Stages, psums: list[Signal], params: Ram | CheckedRam) -> list[Value]:
        """A unit for each sum; those without a channel stand still."""
        config, first = self.config, self._n_before
        steps = range(first, first + Requantize.LATENCY)
        units = []
        for index, psum in enumerate(psums):
            m.submodules[f"unit_{index}"] = unit = Requantize(self._core)
            m.d.comb += [
                unit.en.eq(Cat(stages.en[step] & stages.tags[step].exists[index] for step in steps)),
                unit.i_psum.eq(psum),
                unit.i_param.eq(params.read_data[index]),
                unit.clip_low.eq(config.clip_low),
                unit.clip_high.eq(config.clip_high),
                unit.threshold.eq(config.threshold),
            ]
            units.append(unit.o_value)
        return units

    def _add_kept(self, m: Module, kept: KeptSums, cut: Signal, walk: ChunkWalk, stages: _Stages, psums: list[Signal]) -> Signal:
        """The stage before requantisation: sums of changes join those kept. A chunk whose sums have not changed is left out of
        all that follows if its outputs are changes, for they are zero then. Returns the rows of state for a row of outputs, known
        from the second one on.
        """
        core, config = self._core, self.config
        moved = [Signal(core.post_units, name=f"moved_{index}") for index in range(n_slices(core))]  # sums that are not zero
        with m.If(self.i_psums.ready & self.i_psums.valid):
            for index, part in enumerate(moved):
                sums = self.i_psums.payload.sums
                with m.If(self.i_psums.payload.used[index]):
                    first = index * core.post_units
                    m.d.sync += part.eq(Cat(sums[first + unit] != 0 for unit in range(core.post_units)))
        exists = self._exists(walk.chunk)
        in_first_row = Signal()
        row_pitch = Signal(16, reset_less=True)  # rows of state for a row of outputs, as the first one shows
        has_row = Signal()
        with m.If(self.start):
            m.d.sync += [in_first_row.eq(1), row_pitch.eq(0)]
        with m.Elif(cut & in_first_row):
            m.d.sync += [in_first_row.eq(~walk.row_last), row_pitch.eq(row_pitch + has_row)]
        uses = Signal()
        quiet = Signal()
        left_out = Signal()
        reads = Signal()
        writes = Signal()
        m.d.comb += [
            has_row.eq(walk.needs_group & ~walk.whole_row),
            uses.eq(has_row & (config.out_delta | config.gated) & ~left_out),
            quiet.eq(config.in_delta & ~self.recheck & ((Array(moved)[walk.slice] & exists) == 0)),
            left_out.eq((quiet & config.out_delta) | walk.whole_row),
            reads.eq(has_row & config.in_delta & ~self.fresh & ~left_out),
            writes.eq(has_row & config.in_delta & ~quiet),
            stages.cut.exists.eq(Mux(left_out, 0, exists)),
            stages.cut.has_row.eq(has_row),
            stages.cut.clean.eq(walk.whole_row),
            stages.cut.uses.eq(uses),
            self.sum_read.eq(cut & reads),
            self.sum_write.eq(cut & writes),
            self.sent_access.eq(cut & uses),
            kept.start.eq(self.start),
            kept.state_row.eq(config.state_row),
            kept.cut.eq(cut),
            kept.step.eq(Mux(walk.whole_row, row_pitch, has_row)),
            kept.reads.eq(reads),
            kept.writes.eq(writes),
            kept.add.eq(stages.en[0]),
            kept.exists.eq(stages.tags[0].exists),
            kept.store.eq(stages.en[1]),
            *(kept.psums[index].eq(psum) for index, psum in enumerate(psums)),
        ]
        return row_pitch

    def _compare_sent(self, m: Module, sent: SentValues, stages: _Stages, row_pitch: Signal, values: list[Value]) -> list[Value]:
        """The stage behind requantisation: values against those sent last, which are fetched with the last step before it."""
        connect_fields(m.d.comb, sent.config, self.config)
        m.d.comb += [
            sent.start.eq(self.start),
            sent.fresh.eq(self.fresh),
            sent.fetch.eq(stages.en[-2]),
            sent.step.eq(Mux(stages.tags[-3].clean, row_pitch, stages.tags[-3].has_row)),
            sent.uses.eq(stages.tags[-3].uses),
            sent.en.eq(stages.en[-1]),
            sent.exists.eq(stages.tags[-2].exists),
            *(sent.values[index].eq(value) for index, value in enumerate(values)),
        ]
        return list(sent.out)

    def _param_memory(self, m: Module) -> Ram | CheckedRam:
        """The parameter memory with its write side connected."""
        n_units, unit_bits = self._core.post_units, exact_log2(self._core.post_units)
        m.submodules.params = params = make_ram(
            self._core.ram_check,
            data.ArrayLayout(PARAM_LAYOUT, n_units),
            ceil_div(self._core.param_depth, n_units),
            n_parts=n_units,
        )
        m.d.comb += [
            params.write_addr.eq(self.param_chan >> unit_bits),
            params.write_data.eq(self.param_data.replicate(n_units)),
            params.write_en.eq(self.param_en << self.param_chan[:unit_bits]),
        ]
        return params

    def _exists(self, chunk: Signal) -> Value:
        """Which channels of a chunk are below ``valid_chans``: all, none, or the first few of one chunk."""
        unit_bits = exact_log2(self._core.post_units)
        full_chunks, rest = self.config.valid_chans[unit_bits:], self.config.valid_chans[:unit_bits]
        some = (Const(1) << rest) - 1
        return Mux(chunk < full_chunks, ~0, Mux(chunk == full_chunks, some, 0))
