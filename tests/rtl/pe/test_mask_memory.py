"""Mask words read one by one of beats that were written whole."""

from random import Random

import pytest

from quiesce.rtl.pe.mask_memory import MaskMemory
from quiesce.spec.config import preset
from tests.rtl.support import simulate


@pytest.mark.parametrize("mask_width", [16, 32, 64])
def test_beats_in_words_out(mask_width):
    config = preset("tiny", mask_width=mask_width, mask_depth=36)
    dut, rng = MaskMemory(config), Random(mask_width)
    n_banks = config.data_width // mask_width
    stored: dict[int, tuple[int, int]] = {}

    async def bench(ctx):
        shown = None
        for _ in range(500):
            beat = rng.randrange(config.mask_depth // n_banks)
            load = rng.random() < 0.3
            entries = [(rng.getrandbits(mask_width), rng.getrandbits(config.weight_index_width)) for _ in range(n_banks)]
            ctx.set(dut.load.mask_en, load)
            ctx.set(dut.load.mask_addr, beat)
            ctx.set(dut.load.mask, [{"mask": mask, "index": index} for mask, index in entries])
            readable = [addr for addr in stored if not (load and addr // n_banks == beat)]
            en = bool(readable) and rng.random() < 0.6
            addr = rng.choice(readable) if readable else 0
            ctx.set(dut.en, en)
            ctx.set(dut.addr, addr)
            if en:
                shown = stored[addr]
            if load:
                stored.update({beat * n_banks + bank: entry for bank, entry in enumerate(entries)})
            await ctx.tick()
            if shown is not None:
                assert (ctx.get(dut.mask.mask), ctx.get(dut.mask.index)) == shown

    simulate(dut, bench)
