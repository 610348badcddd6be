"""Post-processing: finished partial sums of all lanes to chunks of activations."""

from typing import Any

from amaranth import Array, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from quiesce.rtl.backend.interfaces import chunk_layout, group_layout, n_slices
from quiesce.rtl.backend.requantize import PARAM_LAYOUT, PARAM_WIDTH, Requantize
from quiesce.rtl.lib.bits import bits_for_index
from quiesce.rtl.lib.checked_ram import CheckedRam, join_status, make_ram, status_ports
from quiesce.rtl.lib.layouts import connect_fields, pass_layout
from quiesce.rtl.lib.ram import Ram
from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.config import CoreConfig

__all__ = ["PostProcess"]

_WALK_FIELDS = ("n_groups", "chunks", "n_out_rows", "n_out_cols")


class ChunkWalk(wiring.Component):
    """Position of the next chunk: its number in the pixel, and its slice of the group of partial sums that it needs.

    Members
    -------
    start, config : see PostProcess
    next : advance to the next chunk
    active : there is a next chunk
    chunk, slice : which one it is; which ``post_units`` entries of the group it takes
    needs_group : it takes some of an existing group, for the last time if ``group_done``
    row_last : it is the last one of an output row
    """

    def __init__(self, config: CoreConfig):
        self._n_slices = n_slices(config)
        super().__init__(
            {
                "start": In(1),
                "config": In(pass_layout(*_WALK_FIELDS)),
                "next": In(1),
                "active": Out(1),
                "chunk": Out(12),
                "slice": Out(bits_for_index(self._n_slices)),
                "needs_group": Out(1),
                "group_done": Out(1),
                "row_last": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        groups_left = Signal(16, reset_less=True)
        cols_left = Signal(16, reset_less=True)
        rows_left = Signal(16)

        last_chunk = Signal()
        last_slice = Signal()
        m.d.comb += [
            last_chunk.eq(self.chunk + 1 == config.chunks),
            last_slice.eq(self.slice == self._n_slices - 1),
            self.active.eq(rows_left != 0),
            self.needs_group.eq(groups_left != 0),
            self.group_done.eq(self.needs_group & (last_slice | last_chunk)),
            self.row_last.eq(last_chunk & (cols_left == 1)),
        ]
        with m.If(self.next):
            m.d.sync += [
                self.chunk.eq(Mux(last_chunk, 0, self.chunk + 1)),
                self.slice.eq(Mux(last_slice | last_chunk, 0, self.slice + 1)),
                groups_left.eq(Mux(last_chunk, config.n_groups, groups_left - self.group_done)),
            ]
            with m.If(last_chunk):
                m.d.sync += cols_left.eq(Mux(self.row_last, config.n_out_cols, cols_left - 1))
            with m.If(self.row_last):
                m.d.sync += rows_left.eq(rows_left - 1)
        with m.If(self.start):
            m.d.sync += [
                self.chunk.eq(0),
                self.slice.eq(0),
                groups_left.eq(config.n_groups),
                cols_left.eq(config.n_out_cols),
                rows_left.eq(config.n_out_rows),
            ]
        return m


class PostProcess(wiring.Component):
    """Cut groups of partial sums into chunks of ``post_units`` channels and requantise them.

    Chunk ``k`` of a pixel covers the channels from ``k * post_units`` on and uses row ``param_row + k`` of the parameter memory.
    Channels from ``valid_chans`` on are zero; chunks behind the last group wait for nothing.

    Latency from the acceptance of a group to its first chunk is `LATENCY` cycles. One chunk per cycle is sustained across groups,
    pixels and rows, as the next group is accepted in the cycle that cuts the last chunk of the one before. A chunk that is not
    taken stalls all. Reset: control state only.

    Members
    -------
    start : pulse; begins a pass. No chunk of the pass before may be inside; the first group of this one may be.
    config : stable during a pass; ``n_groups`` groups of lanes hold the ``valid_chans`` channels of a pixel
    i_psums : ``n_groups`` items per pixel, pixel by pixel, row by row, see group_layout
    param_en, param_chan, param_data : write parameters (requantize.PARAM_LAYOUT) of entry ``row * post_units + unit``
    o_chunks : ``chunks`` items per pixel
    """

    LATENCY = 2 + Requantize.LATENCY  # group held, chunk cut

    def __init__(self, config: CoreConfig):
        self._core = config
        super().__init__(
            {
                "start": In(1),
                "config": In(
                    pass_layout(
                        *_WALK_FIELDS, "valid_chans", "chunk_bits", "param_row", "clip_low", "clip_high", "threshold"
                    )
                ),
                "i_psums": In(stream.Signature(group_layout(config))),
                "param_en": In(1),
                "param_chan": In(16),
                "param_data": In(PARAM_WIDTH),
                "o_chunks": Out(stream.Signature(chunk_layout(config))),
                **status_ports(config.ram_check),
            }
        )  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        core, config = self._core, self.config
        n_units = core.post_units
        m.submodules.walk = walk = ChunkWalk(core)
        connect_fields(m.d.comb, walk.config, config)

        advance = Signal()
        cut = Signal()
        # A slice of the group that no chunk takes keeps what it has.
        slice_width = n_units * core.acc_width
        group = [Signal(slice_width, reset_less=True, name=f"group_{index}") for index in range(n_slices(core))]
        group_valid = Signal()
        m.d.comb += [
            advance.eq(self.o_chunks.ready | ~self.o_chunks.valid),
            cut.eq(advance & walk.active & (group_valid | ~walk.needs_group)),
            walk.start.eq(self.start),
            walk.next.eq(cut),
            self.i_psums.ready.eq(~group_valid | (cut & walk.group_done)),
        ]
        with m.If(self.i_psums.ready):
            m.d.sync += group_valid.eq(self.i_psums.valid)
            for index, part in enumerate(group):
                with m.If(self.i_psums.valid & self.i_psums.payload.used[index]):
                    m.d.sync += part.eq(self.i_psums.payload.sums.as_value().word_select(index, len(part)))

        # The parameters are read while the chunk is cut.
        psums = [Signal(signed(core.acc_width), reset_less=True, name=f"psum_{index}") for index in range(n_units)]
        exists = Signal(n_units)
        cut_slice = Signal(slice_width)
        m.d.comb += [exists.eq(self._exists(walk.chunk)), cut_slice.eq(Array(group)[walk.slice])]
        params = self._param_memory(m)
        m.d.comb += [params.read_en.eq(cut), params.read_addr.eq(config.param_row + walk.chunk)]
        for index, psum in enumerate(psums):
            with m.If(cut & exists[index]):
                m.d.sync += psum.eq(cut_slice.word_select(index, core.acc_width))

        self._requantize(m, advance, cut, exists, walk.row_last, psums, params)
        return m

    def _requantize(
        self,
        m: Module,
        advance: Signal,
        cut: Signal,
        exists: Signal,
        row_last: Signal,
        psums: list[Signal],
        params: Ram | CheckedRam,
    ) -> None:
        """From the sums of the chunk that has been ``cut`` to the output; what a chunk is travels along."""
        core, config, n_units = self._core, self.config, self._core.post_units
        # valid[0] belongs to the chunk that has been cut, valid[-1] to the output.
        tag = data.StructLayout({"exists": n_units, "row_last": 1})
        valid = Signal(1 + Requantize.LATENCY)
        tags = [Signal(tag, reset_less=True, name=f"tag_{stage}") for stage in range(len(valid))]
        stage_en = valid[:-1] & advance.replicate(Requantize.LATENCY)
        with m.If(advance):
            m.d.sync += valid.eq((valid << 1) | cut)
        with m.If(cut):
            m.d.sync += [tags[0].exists.eq(exists), tags[0].row_last.eq(row_last)]
        for stage in range(Requantize.LATENCY):
            with m.If(stage_en[stage]):
                m.d.sync += tags[stage + 1].eq(tags[stage])

        for index in range(n_units):  # those without a channel stand still
            m.submodules[f"unit_{index}"] = unit = Requantize(core)
            m.d.comb += [
                unit.en.eq(Cat(en & tag.exists[index] for en, tag in zip(stage_en, tags[:-1], strict=True))),
                unit.i_psum.eq(psums[index]),
                unit.i_param.eq(params.read_data[index]),
                unit.clip_low.eq(config.clip_low),
                unit.clip_high.eq(config.clip_high),
                unit.threshold.eq(config.threshold),
                self.o_chunks.payload.values[index].eq(Mux(tags[-1].exists[index], unit.o_value, 0)),
            ]
        m.d.comb += [
            self.o_chunks.valid.eq(valid[-1]),
            self.o_chunks.payload.count.eq(config.chunk_bits),
            self.o_chunks.payload.row_last.eq(tags[-1].row_last),
        ]

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
        join_status(m, self, [params])
        return params

    def _exists(self, chunk: Signal) -> Value:
        """Which channels of a chunk are below ``valid_chans``: all, none, or the first few of one chunk."""
        unit_bits = exact_log2(self._core.post_units)
        full_chunks, rest = self.config.valid_chans[unit_bits:], self.config.valid_chans[:unit_bits]
        some = (Const(1) << rest) - 1
        return Mux(chunk < full_chunks, ~0, Mux(chunk == full_chunks, some, 0))
