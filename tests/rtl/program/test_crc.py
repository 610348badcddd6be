"""The check of a beat, in gates, is that of its bytes."""

import binascii
import zlib
from random import Random

import pytest
from amaranth import Module, Signal
from amaranth.sim import Simulator

from quiesce.rtl.program.crc import next_crc


def _crc16(data: bytes, before: int) -> int:
    """The state of an MSB-first CRC is XORed to the next bytes with its own bytes swapped."""
    swapped = int.from_bytes(before.to_bytes(2, "little"), "big")
    return int.from_bytes(binascii.crc_hqx(data, swapped).to_bytes(2, "big"), "little")


@pytest.mark.parametrize("n_bytes", [8, 16])
@pytest.mark.parametrize(("check", "width"), [(zlib.crc32, 32), (_crc16, 16)])
def test_next_crc(check, width, n_bytes):
    m, rng = Module(), Random(width)
    crc, beat, following = Signal(width), Signal(8 * n_bytes), Signal(width)
    m.d.comb += following.eq(next_crc(crc, beat, check))

    async def bench(ctx):
        before = 0
        for _ in range(50):
            data = rng.randbytes(n_bytes)
            ctx.set(crc, before)
            ctx.set(beat, int.from_bytes(data, "little"))
            await ctx.delay(1e-9)
            assert ctx.get(following) == check(data, before)
            before = ctx.get(following)

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
