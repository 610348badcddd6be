"""Marks of the largest maxima, ties and all, and the cycles promised."""

from random import Random

import pytest

from quiesce.rtl.backend.interfaces import FEATURE_WIDTH
from quiesce.rtl.backend.ranking import Ranking
from quiesce.spec.config import preset
from tests.rtl.support import simulate

CONFIG = preset("tiny", winner_depth=256)
WIDTH = CONFIG.detector_width


def winners(values: list[int], n_winners: int) -> list[bool]:
    """The first ``n_winners`` of the channels ordered by value, of equal ones the lower first."""
    order = sorted(range(len(values)), key=lambda channel: (-values[channel], channel))
    best = set(order[:n_winners])
    return [channel in best for channel in range(len(values))]


@pytest.mark.parametrize("kind", ["any", "ties", "equal"])
@pytest.mark.parametrize(("first", "n_rows"), [(0, 1), (3, 2), (0, 4)])
def test_ranks(first, n_rows, kind):
    """``first`` row of ``n_rows``; a ranking follows another."""
    dut, rng = Ranking(CONFIG), Random(n_rows)
    top = {"any": (1 << FEATURE_WIDTH) - 1, "ties": 3, "equal": 1}[kind]
    rows = [[rng.randint(1, top) for _ in range(WIDTH)] for _ in range(CONFIG.winner_rows)]

    async def memory(ctx):
        while True:
            _, _, en, row = await ctx.tick().sample(dut.read_en, dut.read_row)
            if en:
                ctx.set(dut.read_data, rows[row])

    async def bench(ctx):
        for n_winners in (1, 5, WIDTH * n_rows // 2, WIDTH * n_rows - 1, WIDTH * n_rows):
            marks, cycles, done = {}, 0, 0
            ctx.set(dut.config, {"rank_row": first, "rank_rows": n_rows, "n_winners": n_winners})
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            while not done:
                ports = (dut.busy, dut.done, dut.write_en, dut.write_row, dut.write_data)
                _, _, busy, done, write, row, data = await ctx.tick().sample(*ports)
                assert busy
                cycles += 1
                if write:
                    assert row not in marks
                    marks[row] = data
            assert cycles == Ranking.cycles(n_rows)
            assert not ctx.get(dut.busy)
            assert sorted(marks) == list(range(first, first + n_rows))
            values = [value for row in range(first, first + n_rows) for value in rows[row]]
            seen = [bool(marks[first + at // WIDTH] >> at % WIDTH & 1) for at in range(len(values))]
            assert seen == winners(values, n_winners)

    simulate(dut, bench, background=[memory])
