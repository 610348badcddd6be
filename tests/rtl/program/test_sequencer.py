"""The sequencer alone: what each packet does, what it waits for, and what is refused."""

import numpy as np
import pytest

from quiesce.rtl.program.sequencer import Sequencer
from quiesce.spec.config import preset
from quiesce.spec.isa import PASS_FIELDS
from quiesce.sw.compiler.emit.packets import PacketWriter
from quiesce.sw.compiler.emit.winner_fields import NO_WINNERS
from tests.rtl.support import StreamDriver, simulate, wait_until

CONFIGS = {
    "narrow": preset("tiny", n_pes=2, mask_depth=64, weight_depth=32, param_depth=32, max_layers=8),
    "wide": preset(
        "tiny", n_pes=2, n_lanes=4, data_width=128, mask_width=16, mask_depth=64, weight_depth=32, post_units=4, winner_depth=64
    ),
}
SANE = {"n_positions": 3, "layer": 2, "n_cols": 5, "n_rows": 4, "n_planes": 1}
RNG = np.random.default_rng(1)


def beats(config, writer):
    data = writer.getvalue()
    return [int.from_bytes(data[at : at + config.beat_bytes], "little") for at in range(0, len(data), config.beat_bytes)]


def fields(**values):
    return {name: 0 for word in PASS_FIELDS for name in word} | SANE | values


class Bench:
    """A sequencer, its program, and everything that it did: (name, cycle, values)."""

    def __init__(self, config, writer, gap=0.0):
        self.config, self.dut, self.done = config, Sequencer(config), []
        self.driver = StreamDriver(self.dut.i_beats, beats(config, writer), gap=gap, seed=3)

    async def watch(self, ctx):
        dut = self.dut
        masks = [value for entry in dut.load.mask for value in (entry.mask, entry.index)]
        outputs = {
            "masks": (dut.load.mask_en, dut.load_pe, dut.load.mask_addr, *masks),
            "row": (dut.load.row_en, dut.load_pe, dut.load.row_addr, dut.load.row),
            "param": (dut.param_en, dut.param_chan, dut.param_data),
            "flush": (dut.flush, dut.flush_layer),
            "item_end": (dut.item_end,),
            "bad": (dut.bad_packet,),
        }
        cycle = 0
        while True:
            sampled = await ctx.tick().sample(*(value for group in outputs.values() for value in group))
            values = list(sampled[2:])
            for name, group in outputs.items():
                enable, *rest = [values.pop(0) for _ in group]
                if enable:
                    self.done.append((name, cycle, tuple(rest)))
            cycle += 1

    def did(self, name):
        return [values for what, _, values in self.done if what == name]

    def run(self, *benches, ready=True, cycles=200):
        async def settle(ctx):
            for signal in (self.dut.params_ready, self.dut.passes_done, self.dut.counters_ready, self.dut.item_ready):
                ctx.set(signal, ready)
            for _ in range(cycles):
                await ctx.tick()

        simulate(self.dut, settle, *benches, background=[self.driver, self.watch])


@pytest.mark.parametrize("gap", [0.0, 0.4])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_loads(config, gap):
    per_beat, lanes = config.data_width // config.mask_width, config.n_lanes
    masks = RNG.random((per_beat + 1, config.mask_width)) < 0.4
    values = RNG.integers(-127, 128, (3 * config.words_per_row(8), lanes)).astype(np.int8)
    params = [(-5, 7, 3), (9, 65535, 47), (1, 2, 0)]
    writer = PacketWriter(config)
    writer.masks(1, 2 * per_beat, 11, masks)
    writer.values(0, 4, values, 8)
    writer.params(6, params)
    bench = Bench(config, writer, gap)
    bench.run()

    words = np.zeros((2 * per_beat, config.mask_width), bool)
    words[: len(masks)] = masks
    entries = []
    for index, word in enumerate(words):
        entries += [sum(1 << bit for bit in np.flatnonzero(word)), 11 + int(words[:index].sum())]
    assert bench.did("masks") == [(1, 2, *entries[: 2 * per_beat]), (1, 3, *entries[2 * per_beat :])]
    rows = values.tobytes()
    size = config.beat_bytes
    expected = [(0, 4 + row, int.from_bytes(rows[row * size : (row + 1) * size], "little")) for row in range(3)]
    assert bench.did("row") == expected
    assert [chan for chan, _ in bench.did("param")] == [6, 7, 8]
    for (_, data), (bias, multiplier, shift) in zip(bench.did("param"), params, strict=True):
        assert data == (bias & 0xFFFFFFFF) | multiplier << 32 | shift << 48
    assert not bench.did("bad")


def test_a_beat_of_masks_and_a_row_per_cycle():
    config, writer = CONFIGS["narrow"], PacketWriter(CONFIGS["narrow"])
    writer.masks(0, 0, 0, RNG.random((16, config.mask_width)) < 0.5)
    writer.values(0, 0, np.ones((8 * config.words_per_row(8), 1), np.int8), 8)
    bench = Bench(config, writer)
    bench.run()
    cycles = [cycle for _, cycle, _ in bench.done]
    assert len(cycles) == 16 and cycles[-1] - cycles[0] == 16  # and one header between


def test_parameters_wait_for_the_pass_that_uses_its_own():
    config, writer = CONFIGS["narrow"], PacketWriter(CONFIGS["narrow"])
    writer.params(0, [(1, 2, 3)])
    bench = Bench(config, writer)

    async def later(ctx):
        for _ in range(50):
            await ctx.tick()
        assert not bench.did("param")
        ctx.set(bench.dut.params_ready, 1)

    bench.run(later, ready=False)
    assert len(bench.did("param")) == 1


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_pass_is_offered_until_it_is_taken(config):
    work = {name: int(RNG.integers(1 << (field.width - 1))) for word in PASS_FIELDS for name, field in word.items()} | SANE
    if not config.winner_depth:
        work |= NO_WINNERS
    positions = [(int(RNG.integers(config.acc_depth)), i, -i) for i in range(3)]
    writer = PacketWriter(config)
    writer.describe_pass(work, positions)
    writer.params(0, [(1, 2, 3)])
    writer.start()
    writer.params(0, [(4, 5, 6)])
    bench, dut = Bench(config, writer), None
    dut = bench.dut

    async def take(ctx):
        await wait_until(ctx, dut.described)
        assert not bench.did("param")
        await wait_until(ctx, dut.offered)
        for _ in range(30):
            await ctx.tick()
            assert ctx.get(dut.offered) and ctx.get(dut.described)
        assert len(bench.did("param")) == 1
        assert {name: ctx.get(dut.config[name]) for name in work} == work
        for index, (offset, dr, dc) in enumerate(positions):
            entry = dut.positions[index]
            assert (ctx.get(entry.offset), ctx.get(entry.dr), ctx.get(entry.dc)) == (offset, dr, dc)
        ctx.set(dut.taken, 1)
        await ctx.tick()
        ctx.set(dut.taken, 0)
        assert not ctx.get(dut.offered) and not ctx.get(dut.described)

    bench.run(take)
    assert len(bench.did("param")) == 2


def test_barriers():
    """WAIT needs everything done; the end of an item only that of the one before counted."""
    config, writer = CONFIGS["narrow"], PacketWriter(CONFIGS["narrow"])
    writer.item_end()
    writer.wait(flush_to=5)
    writer.wait()
    bench = Bench(config, writer)
    dut = bench.dut

    async def release(ctx):
        for signal, done in ((dut.item_ready, "item_end"), (dut.passes_done, None), (dut.counters_ready, "flush")):
            for _ in range(20):
                await ctx.tick()
            assert not done or not bench.did(done)
            ctx.set(signal, 1)

    bench.run(release, ready=False)
    assert bench.did("item_end") == [()] and bench.did("flush") == [(5,)]


def _one(name, *args, **kwargs):
    def write(writer):
        getattr(writer, name)(*args, **kwargs)

    return write


def _after_a_pass(name, *args):
    def write(writer):
        writer.describe_pass(fields(), [(0, 0, 0)])
        getattr(writer, name)(*args)

    return write


BAD = {
    "opcode": lambda writer: writer._append((15).to_bytes(8, "little")),
    "pe": _one("masks", 2, 0, 0, np.ones((2, 32), bool)),
    "misaligned masks": _one("masks", 0, 1, 0, np.ones((2, 32), bool)),
    "masks beyond the memory": _one("masks", 0, 62, 0, np.ones((4, 32), bool)),
    "rows beyond the memory": _one("values", 0, 31, np.ones((16, 1), np.int8), 8),
    "parameters beyond the memory": _one("params", 31, [(0, 1, 0)] * 2),
    "no parameters": _one("params", 0, []),
    "counter set": _one("wait", flush_to=8),
    "layer": _one("describe_pass", fields(layer=8), [(0, 0, 0)]),
    "no positions": _one("describe_pass", fields(n_positions=0), [(0, 0, 0)]),
    "too many positions": _one("describe_pass", fields(), [(0, 0, 0)] * 34),
    "columns": _one("describe_pass", fields(n_cols=257), [(0, 0, 0)]),
    "no rows": _one("describe_pass", fields(n_rows=0), [(0, 0, 0)]),
    "start without a pass": _one("start"),
    "two passes": _after_a_pass("describe_pass", fields(), [(0, 0, 0)]),
    "end of the item before the start": _after_a_pass("item_end"),
    "no unit to track maxima": _one("describe_pass", fields(track_maxima=1), [(0, 0, 0)]),
    "no unit to rank": _one("describe_pass", fields(n_winners=3), [(0, 0, 0)]),
    "no marks of winners": _one("describe_pass", fields(in_ranked=1), [(0, 0, 0)]),
}


@pytest.mark.parametrize("write", BAD.values(), ids=BAD)
def test_bad_packets_stop_the_program(write):
    config, writer = CONFIGS["narrow"], PacketWriter(CONFIGS["narrow"])
    write(writer)
    writer.params(0, [(1, 2, 3)])
    bench = Bench(config, writer)
    bench.run()
    assert {name for name, _, _ in bench.done} == {"bad"}
