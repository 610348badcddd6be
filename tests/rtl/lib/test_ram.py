# amaranth: UnusedElaboratable=no
"""RAMs and the FIFO built around one, against models in Python."""

import random
from collections import deque

import pytest
from amaranth import Module, unsigned
from amaranth.lib.fifo import SyncFIFOBuffered

from quiesce.rtl.lib.ram import Ram
from quiesce.rtl.lib.ram_fifo import RamFifo
from tests.rtl.support import simulate


@pytest.mark.parametrize(
    ("depth", "n_parts", "transparent", "name"),
    [
        (12, 1, False, "ram_12x8"),
        (16, 4, False, "ram_16x8_parts4"),
        (2, 2, True, "ram_2x8_parts2_transparent"),
        (1, 1, False, "ram_2x8"),
    ],
)
def test_ram(depth, n_parts, transparent, name):
    """Words come back as written, are held, and with a read in the cycle of a write are the new ones if it is transparent."""
    ram = Ram(unsigned(8), depth, n_parts=n_parts, transparent=transparent)
    assert ram.verilog_name == name
    rng = random.Random(depth)
    part_bits = 8 // n_parts

    async def bench(ctx):
        words = [0] * depth
        for row in range(depth):
            words[row] = rng.randrange(256)
            ctx.set(ram.write_en, (1 << n_parts) - 1)
            ctx.set(ram.write_addr, row)
            ctx.set(ram.write_data, words[row])
            await ctx.tick()
        expected = None
        for _ in range(400):
            read, write = rng.random() < 0.6, rng.randrange(1 << n_parts)
            read_row, write_row, value = rng.randrange(depth), rng.randrange(depth), rng.randrange(256)
            ctx.set(ram.read_en, read)
            ctx.set(ram.read_addr, read_row)
            ctx.set(ram.write_en, write)
            ctx.set(ram.write_addr, write_row)
            ctx.set(ram.write_data, value)
            await ctx.tick()
            mask = sum(((1 << part_bits) - 1) << part_bits * part for part in range(n_parts) if write >> part & 1)
            words[write_row] = words[write_row] & ~mask | value & mask
            if read:
                collision = mask and read_row == write_row and not transparent
                expected = None if collision else words[read_row]
            if expected is not None:
                assert ctx.get(ram.read_data) == expected

    simulate(ram, bench)


def test_ram_rejects():
    for depth, n_parts, width in ((0, 1, 8), (4, 3, 8), (4, 1, 0)):
        with pytest.raises(ValueError, match="a RAM of"):
            Ram(unsigned(width), depth, n_parts=n_parts)


@pytest.mark.parametrize("depth", [3, 8, 9])
def test_fifo(depth):
    """Order and content are those of a queue, and every cycle is that of Amaranth's buffered FIFO."""
    fifo, model = RamFifo(8, depth), SyncFIFOBuffered(width=8, depth=depth)
    rng = random.Random(depth)

    async def bench(ctx):
        queue: deque[int] = deque()
        for step in range(1500):
            eager = 0.9 if step // 100 % 2 else 0.3
            valid, ready, value = rng.random() < eager, rng.random() < 1.2 - eager, rng.randrange(256)
            for port, state in (
                (fifo.i_words.valid, valid), (fifo.i_words.payload, value), (fifo.o_words.ready, ready),
                (model.w_en, valid), (model.w_data, value), (model.r_en, ready),
            ):  # fmt: skip
                ctx.set(port, state)
            room, there = ctx.get(fifo.i_words.ready), ctx.get(fifo.o_words.valid)
            assert (room, there) == (ctx.get(model.w_rdy), ctx.get(model.r_rdy)), step
            assert ctx.get(fifo.empty) == (not queue)
            if there:
                assert ctx.get(fifo.o_words.payload) == queue[0] == ctx.get(model.r_data)
            if there and ready:
                queue.popleft()
            if room and valid:
                queue.append(value)
            await ctx.tick()

    both = Module()
    both.submodules += [fifo, model]
    simulate(both, bench)


def test_fifo_rejects():
    with pytest.raises(ValueError, match="needs no RAM"):
        RamFifo(8, 2)
