"""Maxima of the channels of a map that passes by in chunks, in a memory that holds anything before."""

from random import Random

import pytest

from quiesce.rtl.backend.channel_maxima import ChannelMaxima
from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.config import preset
from tests.rtl.support import simulate, wait_until

CONFIG = preset("tiny", n_pes=4, post_units=4, winner_depth=256)
UNITS, WIDTH = CONFIG.post_units, CONFIG.detector_width


@pytest.mark.parametrize("chunks", [1, 3, 8, 11])
def test_maxima_over_two_passes(chunks):
    """Pixels of ``chunks`` chunks each; the second pass goes on with the maxima of the first one."""
    dut, rng, first_row = ChannelMaxima(CONFIG), Random(chunks), 2
    memory = [[rng.randrange(128) for _ in range(WIDTH)] for _ in range(CONFIG.winner_rows)]
    untouched = [list(row) for row in memory]

    async def rams(ctx):
        """Writes of a cycle are known to a read of the same cycle."""
        while True:
            ports = (dut.write_en, dut.write_row, dut.write_data.as_value(), dut.read_en, dut.read_row)
            _, _, enables, row, data, read, at = await ctx.tick().sample(*ports)
            for piece in range(WIDTH // UNITS):
                if enables >> piece & 1:
                    for place in range(piece * UNITS, (piece + 1) * UNITS):
                        memory[row][place] = data >> 7 * place & 127
            if read:
                ctx.set(dut.read_data, memory[at])

    async def one_pass(ctx, rows: int, cols: int, first: bool, maxima: list[int]) -> None:
        settings = {"track_maxima": 1, "first_maxima": first, "out_winner_row": first_row, "chunks": chunks, "n_out_rows": rows}
        ctx.set(dut.config, settings)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        for _ in range(rows):
            for col in range(cols):
                for chunk in range(chunks):
                    values = [rng.randrange(128) for _ in range(UNITS)]
                    for unit, value in enumerate(values):
                        channel = chunk * UNITS + unit
                        maxima[channel] = max(maxima[channel], value)
                    while rng.random() < 0.2:
                        ctx.set(dut.taken, 0)
                        await ctx.tick()
                    assert not ctx.get(dut.done)
                    ctx.set(dut.chunk, {"values": values, "count": UNITS, "row_last": col == cols - 1 and chunk == chunks - 1})
                    ctx.set(dut.taken, 1)
                    await ctx.tick()
        ctx.set(dut.taken, 0)
        await wait_until(ctx, dut.done, 3)

    async def bench(ctx):
        maxima = [0] * (chunks * UNITS)
        await one_pass(ctx, 2, 3, True, maxima)
        await one_pass(ctx, 1, 4, False, maxima)
        await ctx.tick()
        used = ceil_div(len(maxima), WIDTH)
        held = [value for row in memory[first_row : first_row + used] for value in row]
        assert held == maxima + [0] * (used * WIDTH - len(maxima)), "what no channel has is zero"
        for row in {*range(CONFIG.winner_rows)} - {*range(first_row, first_row + used)}:
            assert memory[row] == untouched[row]

    simulate(dut, bench, background=[rams])
