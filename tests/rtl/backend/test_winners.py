"""The unit of winners-take-all against the integers: maxima over several passes, exact ranks, ties, and the cycles promised."""

from dataclasses import replace

import numpy as np
import pytest

from quiesce.rtl.backend.ranking import Ranking
from quiesce.rtl.backend.winners import Winners
from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.config import preset
from quiesce.sw.format.layouts import channel_pitch
from quiesce.sw.format.winners import winning_channels
from tests.rtl.support import simulate

BASE = preset("tiny", winner_depth=256, post_units=2)
CONFIGS = {
    "units of 2": BASE,
    "units of 8": replace(BASE, n_pes=8, post_units=8),
    "one unit": replace(BASE, post_units=1, detector_width=16),
}


class Map:
    """A map (rows, cols, chans) that comes in passes: planes, each in strips of rows, and where its marks lie."""

    def __init__(self, config, acts, n_winners, *, row=0, plane_chans=None, strips=1):
        self.config, self.acts, self.n_winners, self.row = config, acts, n_winners, row
        self.plane_chans = plane_chans or acts.shape[2]
        self.pitch = channel_pitch(self.plane_chans)
        self.plane_rows = ceil_div(self.pitch, config.detector_width)
        self.n_planes = ceil_div(acts.shape[2], self.plane_chans)
        self.strips = np.array_split(np.arange(len(acts)), strips)

    def passes(self):
        """(fields, activations with all channels of the pitch) of each pass."""
        for plane in range(self.n_planes):
            chans = self.acts[:, :, plane * self.plane_chans : (plane + 1) * self.plane_chans]
            padded = np.zeros((*self.acts.shape[:2], max(self.pitch, self.config.post_units)), np.int8)
            padded[:, :, : chans.shape[2]] = chans
            for index, rows in enumerate(self.strips):
                last = plane == self.n_planes - 1 and index == len(self.strips) - 1
                yield {
                    "track_maxima": 1, "first_maxima": index == 0, "out_winner_row": self.row + plane * self.plane_rows,
                    "chunks": padded.shape[2] // self.config.post_units, "n_out_rows": len(rows), "rank_row": self.row,
                    "rank_rows": self.n_planes * self.plane_rows, "n_winners": self.n_winners if last else 0,
                }, padded[rows]  # fmt: skip

    async def check(self, ctx, dut):
        """The marks are those of the winners, as far as these have activations."""
        marks = []
        for row in range(self.n_planes * self.plane_rows):
            ctx.set(dut.mark_en, 1)
            ctx.set(dut.mark_row, self.row + row)
            await ctx.tick()
            marks += [ctx.get(dut.marks) >> i & 1 for i in range(self.config.detector_width)]
        ctx.set(dut.mark_en, 0)
        marks = np.array(marks).reshape(self.n_planes, -1)[:, : self.plane_chans].reshape(-1)[: self.acts.shape[2]]
        (wins,) = winning_channels(self.acts[None], self.n_winners)
        active = self.acts.any(axis=(0, 1))
        np.testing.assert_array_equal(marks.astype(bool) & active, wins & active)


async def feed(ctx, dut, config, fields, acts, rng, stall):
    """One pass; chunks are taken in random cycles."""
    for name, value in fields.items():
        ctx.set(dut.config[name], int(value))
    ctx.set(dut.start, 1)
    await ctx.tick()
    ctx.set(dut.start, 0)
    for row in acts:
        chunks = row.reshape(-1, config.post_units).tolist()
        for index, values in enumerate(chunks):
            while rng.random() < stall:  # offered, not taken
                ctx.set(dut.taken, 0)
                ctx.set(dut.chunk.values, rng.integers(0, 128, config.post_units).tolist())
                await ctx.tick()
            ctx.set(dut.taken, 1)
            ctx.set(dut.chunk.values, values)
            ctx.set(dut.chunk.row_last, index == len(chunks) - 1)
            await ctx.tick()
    ctx.set(dut.taken, 0)


def run(config, maps, *, stall=0.0, seed=0):
    """Send maps one after the other; returns how long each ranking took."""
    dut, rng, durations = Winners(config), np.random.default_rng(seed), []

    async def bench(ctx):
        for each in maps:
            for fields, acts in each.passes():
                await feed(ctx, dut, config, fields, acts, rng, stall)
            cycles = 0
            while ctx.get(dut.pending):
                cycles += ctx.get(dut.ranking)
                await ctx.tick()
            durations.append(cycles)
            await each.check(ctx, dut)

    simulate(dut, bench)
    return durations


def activations(seed, shape, density=0.5, largest=127):
    rng = np.random.default_rng(seed)
    return (rng.integers(1, largest + 1, shape) * (rng.random(shape) < density)).astype(np.int8)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_equals_the_integers(config):
    """Maps of all sizes follow each other at the same place, so that each finds what the one before has left there."""
    maps = [Map(config, activations(1, (4, 2, 20), largest=9), 7, plane_chans=8, strips=2)]
    for chans in (1, 3, 16, 50, 70):
        maps += [
            Map(config, activations(chans, (3, 2, chans)), ceil_div(chans, 3)),
            Map(config, activations(chans + 1, (1, 1, chans), largest=5), max(1, chans // 2)),
            Map(config, activations(chans + 2, (2, 1, ceil_div(chans, 2)), density=0.1), 1),
        ]
    maps.append(Map(config, activations(2, (3, 1, 21)), 4, row=1, plane_chans=9, strips=3))
    run(config, maps, stall=0.3)


def test_the_lowest_of_equal_channels_win():
    run(BASE, [Map(BASE, np.full((1, 1, 70), value, np.int8), n) for value in (1, 127) for n in (1, 33, 69, 70)])


def test_fewer_active_channels_than_winners():
    acts = activations(5, (2, 2, 40), density=0.03)
    assert 0 < acts.any(axis=(0, 1)).sum() < 20
    run(BASE, [Map(BASE, acts, 20), Map(BASE, np.zeros_like(acts), 3)])


def test_cycles():
    sizes = (3, 32, 33, 200)
    durations = run(BASE, [Map(BASE, activations(chans, (1, 1, chans)), 2) for chans in sizes])
    rows = [ceil_div(channel_pitch(chans), BASE.detector_width) for chans in sizes]
    assert durations == [Ranking.cycles(n_rows) for n_rows in rows]
