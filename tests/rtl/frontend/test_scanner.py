"""The scanner: every activation once per context, in order, with the right context, whatever the stalls."""

from dataclasses import replace

import numpy as np
import pytest

from quiesce.rtl.frontend.scanner import Scanner
from quiesce.rtl.pe.interfaces import broadcast_layout
from quiesce.spec.config import preset
from quiesce.spec.isa import Region
from quiesce.sw.compiler.emit.passes import Placement, pass_fields, positions
from quiesce.sw.compiler.lower.convolution import Convolution
from quiesce.sw.compiler.tile.tiling import tile_layer
from quiesce.sw.format.layouts import MapLayout
from tests import networks
from tests.rtl.support import StreamMonitor, simulate, stream_rule

TINY = preset("tiny", acc_depth=64, mask_width=16, mask_depth=64, weight_depth=64, acc_width=26)
CASES = {
    "several pixels a word": ((5, 7, 3), 4, (3, 3), {"pad": (1, 1, 1, 1)}),
    "several words a pixel": ((3, 2, 70), 3, (1, 1), {}),
    "several contexts": ((4, 3, 40), 30, (3, 2), {"stride": (1, 2), "pad": (1, 0, 0, 1)}),
    "one channel, strided": ((6, 9, 1), 2, (5, 5), {"stride": (2, 3), "pad": (2, 2, 2, 2)}),
    "channel by channel": ((5, 6, 11), 11, (3, 3), {"stride": (2, 2), "pad": (1, 1, 1, 0), "groups": 11}),
    "channel by channel, several contexts": ((9, 3, 70), 70, (7, 3), {"pad": (3, 3, 1, 1), "groups": 70}),
}
PLAIN = replace(TINY, zero_skipping=0, weight_depth=512, act_depth=512)
TILE_CHANS = 8
"""Of an output plane of the last two cases, so that the tile tested, the second, begins inside the input plane."""


class Pass:
    """Configuration of a pass, the buffered masks and values of its input, and the events that it must cause."""

    def __init__(self, config, case, density, seed, bits=8):
        shape, couts, kernel, options = CASES[case]
        rng = np.random.default_rng(seed)
        layer = networks.conv(rng, "c", "input", shape[2], couts, kernel, **options)
        limit = TILE_CHANS if "groups" in options else couts
        tiling = tile_layer(config, [[Convolution(layer=layer, shapes=(shape,))]], [shape[2]], limit)
        tile = tiling.tiles[min(1, len(tiling.tiles) - 1)]
        self.mapping = tile.mapping
        self.plain = not config.zero_skipping
        in_layout = MapLayout(shape=shape, plane_chans=shape[2], bits=bits, dense=self.plain)
        self.fields = pass_fields(
            tile, layer=layer, counter=0, placement=Placement(mask_word=3, param_row=0), in_layout=in_layout,
            in_address=(Region.INPUT, 0), out_layout=MapLayout(shape=layer.output_shape(shape), plane_chans=couts),
            out_address=(Region.OUTPUT, 0), signed_input=False,
        )  # fmt: skip
        self.positions = positions(tile)
        self.acts = rng.integers(1, 1 << (bits - 1), shape)
        self.acts[rng.random(shape) >= density] = 0
        self.config, self.pitch, self.shape, self.bits = config, in_layout.row.pitch, shape, bits
        self.stored, self.marks = self.acts, None
        if config.winner_depth:  # a third of the channels win; marks of channels that there are not mean nothing
            self.fields |= {"in_ranked": 1, "in_winner_row": 2, "in_winner_step": 0}
            self.marks = rng.random(config.winner_depth) < 0.3
            first = 2 * config.detector_width
            self.acts = self.stored * self.marks[first : first + shape[2]]

    def buffered(self):
        """Detector words and values as the reader would put them into its rings, each row filled up to whole beats."""
        if self.plain:
            return [], self._dense_values()
        config, words, values = self.config, [], []
        per_beat = config.data_width // self.bits
        rows, cols, chans = self.shape
        for row in range(rows):
            bits = np.zeros((cols, self.pitch), bool)
            bits[:, :chans] = self.stored[row] != 0
            data = np.packbits(bits.reshape(-1), bitorder="little").tobytes()
            data += bytes(-len(data) % config.beat_bytes)
            size = config.detector_width // 8
            words += [int.from_bytes(data[i : i + size], "little") for i in range(0, len(data), size)]
            stored = self.stored[row][self.stored[row] != 0].tolist()
            values += stored + [0] * (-len(stored) % per_beat)
        return words, values

    def _dense_values(self):
        """All values of the padded pixels, each row filled up to whole beats."""
        values, per_beat = [], self.config.data_width // self.bits
        for row in self.stored:
            pixels = np.zeros((self.shape[1], self.pitch), int)
            pixels[:, : self.shape[2]] = row
            values += pixels.ravel().tolist() + [0] * (-pixels.size % per_beat)
        return values

    def expected(self, dense):
        """(PE, slot, value, mask, base) of each event in order, None at the end of each row."""
        f, events = self.fields, []
        rows, cols, chans = self.shape
        width = self.config.detector_width
        per_word = max(1, width // self.pitch)
        unit = f["unit_slots"] if self.plain else f["unit_words"] * width
        per_word = 1 if self.plain else per_word
        for row in range(rows):
            for first in range(0, cols, per_word) if f["multi_pixel"] else range(cols):
                spans = [(0, chans)] if f["multi_pixel"] else [(c, min(chans, c + unit)) for c in range(0, self.pitch, unit)]
                for low, high in spans:
                    for context in range(f["n_kctx"] * f["n_gctx"]):
                        for col in range(first, min(cols, first + per_word)):
                            for chan in range(low, high):
                                if dense or self.acts[row, col, chan]:
                                    event = self._event(row, col, chan, context)
                                    if event[3]:
                                        events.append(event)
            events.append(None)
        return events

    def _event(self, row, col, chan, context):
        f, depth = self.fields, self.config.acc_depth
        kctx, gctx = divmod(context, f["n_gctx"])
        row_quot, row_phase = divmod(row + f["row_quot"] * f["row_stride"] + f["row_phase"], f["row_stride"])
        col_quot, col_phase = divmod(col + f["col_quot"] * f["col_stride"] + f["col_phase"], f["col_stride"])
        rows, cols = self.mapping.conv.axes
        mask = 0
        for p, (_, dr, dc) in enumerate(self.positions):
            dr += kctx * f["kctx_dr"]
            taps = rows.tap(row_phase, dr), cols.tap(col_phase, dc)
            inside = 0 <= row_quot - dr < f["n_out_rows"] and 0 <= col_quot - dc < f["n_out_cols"]
            in_group = gctx * self.mapping.groups_per_block + self.mapping.position_table[p][2] < f["n_groups"]
            mask |= (None not in taps and inside and in_group) << p
        pe, value = 0, int(self.acts[row, col, chan])
        if f["targeted"]:
            pes, lanes = self.config.n_pes, self.config.n_lanes
            chan -= self.mapping.outs.start
            if chan not in range(len(self.mapping.outs)):
                mask = 0
            pe, group, chan = chan // lanes % pes, chan // lanes // pes, chan // lanes // pes * lanes + chan % lanes
        slot = (0 if self.plain else f["slot_base"]) + context * f["ctx_slots"] + chan
        slot += row_phase * f["row_phase_slots"] + col_phase * f["col_phase_slots"]
        base = (row_quot - f["row_quot"]) * f["acc_row_pitch"] + (col_quot - f["col_quot"]) * f["acc_col_pitch"]
        base += kctx * f["kctx_acc"] + (group if f["targeted"] else gctx * f["gctx_acc"])
        return pe, slot, value, mask, base % depth


def scan(config, work, *, dense, stall, seed):
    """Events that the scanner offers, first flags resolved into contexts."""
    dut = Scanner(config)
    words, values = work.buffered()
    rng = np.random.default_rng(seed)

    async def masks(ctx):
        while True:
            _, _, en, addr = await ctx.tick().sample(dut.buffers.mask_en, dut.buffers.mask_addr)
            if en:
                ctx.set(dut.buffers.mask_data, words[addr])

    async def marks(ctx):
        size = config.detector_width
        while True:
            _, _, en, row = await ctx.tick().sample(dut.buffers.mask_en, dut.mark_row)
            if en:
                ctx.set(dut.marks, sum(1 << i for i, mark in enumerate(work.marks[row * size : (row + 1) * size]) if mark))

    async def data(ctx):
        while True:
            ports = (dut.buffers.value_en, dut.buffers.value_addr, dut.buffers.value_narrow)
            _, _, en, addr, narrow = await ctx.tick().sample(*ports)
            if en:  # addresses count half bytes
                assert narrow == (work.bits == 4)
                index, rest = divmod(addr, work.bits // 4)
                assert rest == 0
                ctx.set(dut.buffers.value_data, values[index])

    async def bench(ctx):
        for name in dut.config.shape().members:
            ctx.set(dut.config[name], work.fields[name])
        for p, (_, dr, dc) in enumerate(work.positions):
            ctx.set(dut.dr[p], dr)
            ctx.set(dut.dc[p], dc)
        ctx.set(dut.exists, (1 << len(work.positions)) - 1)
        ctx.set(dut.dense, dense)
        ctx.set(dut.drained, work.fields["n_out_rows"])
        ctx.set(dut.release, 1)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        mask_beats = -(-len(words) * config.detector_width // config.data_width)
        value_beats = len(values) * work.bits // config.data_width
        if work.marks is not None:
            for _ in range(20):
                await ctx.tick()
                assert not ctx.get(dut.buffers.mask_en), "a word was read before the losers were known"
            ctx.set(dut.ranked, 1)
        limits = [(dut.buffers.value_written, value_beats)]
        if config.zero_skipping:
            limits.append((dut.buffers.mask_written, mask_beats))
        written = [0] * len(limits)
        scanned = False
        while not scanned:  # data arrive little by little
            for i, (signal, limit) in enumerate(limits):
                written[i] = min(limit, written[i] + int(rng.integers(0, 2)))
                ctx.set(signal, written[i])
            _, _, scanned = await ctx.tick().sample(dut.scanned)
        assert not config.zero_skipping or ctx.get(dut.buffers.mask_freed) == mask_beats
        assert ctx.get(dut.buffers.value_freed) == value_beats

    monitor = StreamMonitor(dut.o_events, stall=stall, seed=seed)
    sources = [data, *([masks] if config.zero_skipping else []), *([] if work.marks is None else [marks])]
    simulate(dut, bench, background=[*sources, monitor, stream_rule(dut.o_events)])
    layout, context, events = broadcast_layout(config), None, []
    for item in map(layout.from_bits, monitor.items):
        if item.event.first:
            context = (item.context.mask, item.context.base)
        events.append(None if item.event.row_end else (item.pe, item.event.slot, item.event.value, *context))
    return events


@pytest.mark.parametrize("detector_width", [16, 32, 64])
@pytest.mark.parametrize("dense", [False, True], ids=["sparse", "dense"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("bits", [8, 4])
def test_no_event_is_lost_or_repeated(case, dense, detector_width, bits):
    config = replace(TINY, detector_width=detector_width)
    work = Pass(config, case, 0.4, seed=detector_width, bits=bits)
    events = scan(config, work, dense=dense, stall=0.4, seed=detector_width)
    assert events == work.expected(dense)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("bits", [8, 4])
def test_a_plain_core_walks_all_channels(case, bits):
    work = Pass(PLAIN, case, 0.4, seed=bits, bits=bits)
    assert scan(PLAIN, work, dense=False, stall=0.4, seed=bits) == work.expected(True)


def test_channels_go_to_the_lanes_of_their_pe():
    config = replace(TINY, n_pes=2, n_lanes=4, data_width=128, post_units=8)
    work = Pass(config, "channel by channel", 0.4, seed=3)
    assert work.fields["targeted"]
    assert scan(config, work, dense=False, stall=0.4, seed=3) == work.expected(False)


@pytest.mark.parametrize("density", [0.0, 1.0])
def test_nothing_and_everything(density):
    work = Pass(TINY, "several contexts", density, seed=1)
    assert scan(TINY, work, dense=False, stall=0.0, seed=1) == work.expected(False)


@pytest.mark.parametrize("dense", [False, True], ids=["sparse", "dense"])
@pytest.mark.parametrize(("case", "bits"), [(case, 8) for case in CASES] + [("several pixels a word", 4)])
def test_losers_are_passed_over(case, bits, dense):
    config = replace(TINY, winner_depth=256)
    work = Pass(config, case, 0.4, seed=7, bits=bits)
    assert scan(config, work, dense=dense, stall=0.4, seed=7) == work.expected(dense)
