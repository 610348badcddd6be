"""The order of all activations, their contexts and the places of their values, against nested loops."""

from random import Random

import pytest

from quiesce.rtl.frontend.interfaces import found_layout
from quiesce.rtl.pe.interfaces import chan_width, slot_width
from quiesce.rtl.plain.channel_walk import ChannelWalk
from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.config import preset
from tests.rtl.frontend.test_word_fetch import ORDER, ROW_END, contexts, first_chan
from tests.rtl.support import StreamMonitor, simulate, stream_rule

CONFIG = preset("plain", n_pes=4, post_units=4, acc_depth=64, mask_width=16, act_depth=64)
PIXELS = {
    "one unit": {"n_cols": 4, "in_chans": 5, "in_pitch": 6, "unit_slots": 5},
    "two units": {"n_cols": 2, "in_chans": 7, "in_pitch": 7, "unit_slots": 4},
    "one channel": {"n_cols": 9, "in_chans": 1, "in_pitch": 1, "unit_slots": 1},
}


def expected(config, fields: dict):
    """Activations in their order: address in half bytes and payload, or ROW_END."""
    size, per_beat, start = 1 if fields["in_narrow"] else 2, 2 * config.beat_bytes, 0
    for _ in range(fields["n_rows"]):
        for plane in range(fields["n_planes"]):
            for col in range(fields["n_cols"]):
                for unit in range(0, fields["in_chans"], fields["unit_slots"]):
                    chans = range(unit, min(fields["in_chans"], unit + fields["unit_slots"]))
                    for context in contexts(fields):
                        for chan in chans:
                            yield (
                                start + chan * size,
                                {
                                    "col": col,
                                    "chan": (first_chan(fields) + plane * fields["plane_slots"] + chan)
                                    % (1 << chan_width(config)),
                                    "ctx_slot": context["slot"] % (1 << slot_width(config)),
                                    "ctx_acc": context["acc"] % config.acc_depth,
                                    "kshift": context["kshift"],
                                    "last_group": context["last_group"],
                                    "first_ctx": context["first"],
                                    "nonzero": 1,
                                    "row_end": 0,
                                },
                            )
                start += fields["in_pitch"] * size
            start = ceil_div(start, per_beat) * per_beat
        yield ROW_END, None


@pytest.mark.parametrize("narrow", [0, 1])
@pytest.mark.parametrize("targeted", [0, 1])
@pytest.mark.parametrize("case", PIXELS)
def test_activations(case, targeted, narrow):
    fields = ORDER | PIXELS[case] | {"targeted": targeted, "in_narrow": narrow}
    wanted = list(expected(CONFIG, fields))
    dut, rng, places = ChannelWalk(CONFIG), Random(narrow), []
    monitor = StreamMonitor(dut.o_found, stall=0.3, seed=1)
    last = max(place for place, _ in wanted if place != ROW_END)
    n_beats = last // (2 * CONFIG.beat_bytes) + 1

    async def addresses(ctx):
        buffers = dut.buffers
        while True:
            _, _, en, addr, freed = await ctx.tick().sample(buffers.value_en, buffers.value_addr, buffers.value_freed)
            if en:
                places.append(addr)
                assert freed <= addr // (2 * CONFIG.beat_bytes), "a beat is freed before its last value is read"

    async def bench(ctx):
        for name in dut.config.shape().members:
            ctx.set(dut.config[name], fields[name])
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        written, scanned = 0, 0
        while not scanned:
            written = min(n_beats, written + (rng.random() < 0.05))
            ctx.set(dut.buffers.value_written, written)
            ctx.set(dut.go, rng.random() < 0.3)
            ctx.set(dut.settled, rng.random() < 0.3)
            _, _, scanned = await ctx.tick().sample(dut.scanned)
        assert ctx.get(dut.buffers.value_freed) == n_beats

    simulate(dut, bench, background=[addresses, monitor, stream_rule(dut.o_found)])
    assert places == [place for place, _ in wanted if place != ROW_END]
    assert len(monitor.items) == len(wanted)
    for item, (place, found) in zip(map(found_layout(CONFIG).from_bits, monitor.items), wanted, strict=True):
        if place == ROW_END:
            assert item.row_end and not item.nonzero
        else:
            assert {name: item[name] for name in found} == found
