"""Rows are reported only when every burst handed on before has been answered."""

from collections import deque
from random import Random

import pytest

from quiesce.rtl.core.row_tracker import RowTracker
from tests.rtl.support import simulate

BITS = 5


@pytest.mark.parametrize("seed", range(6))
def test_rows_are_in_memory(seed):
    """Random bursts, rows that end in some of them, answers in order; several passes."""
    rng = Random(seed)
    dut = RowTracker(BITS)
    answer_rate = rng.choice([0.1, 0.5, 0.9])

    async def bench(ctx):
        open_bursts: deque[tuple[int, int]] = deque()  # (pass, rows of it that are complete with this burst)
        handed, in_memory, number, reported = 0, 0, 0, 0
        since_start = 2
        for cycle in range(3000):
            start = since_start > 1 and rng.random() < 0.005
            answered = bool(open_bursts) and rng.random() < answer_rate
            ctx.set(dut.start, start)
            ctx.set(dut.answered, answered)
            ctx.set(dut.open_bursts, len(open_bursts))
            ctx.set(dut.rows_handed, handed)
            await ctx.tick()
            if answered:
                of, rows = open_bursts.popleft()
                in_memory = rows if of == number else in_memory
            if start:
                number, in_memory, since_start = number + 1, 0, 0
            else:
                since_start += 1
            if since_start == 1:
                handed = 0
            if since_start > 1 and len(open_bursts) < 17 and rng.random() < 0.4 and cycle < 2800:
                handed += rng.random() < 0.4
                open_bursts.append((number, handed))
            assert ctx.get(dut.older_done) == all(of == number for of, _ in open_bursts)
            assert ctx.get(dut.rows) <= in_memory
            reported = max(reported, ctx.get(dut.rows))
        assert ctx.get(dut.rows) == handed and reported > 5

    simulate(dut, bench)
