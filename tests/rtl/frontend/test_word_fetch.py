"""The order of mask words and what each of them means, against nested loops."""

from dataclasses import replace
from random import Random

import pytest

from quiesce.rtl.frontend.interfaces import word_layout
from quiesce.rtl.frontend.word_fetch import WordFetch
from quiesce.rtl.pe.interfaces import chan_width, slot_width
from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.config import preset
from tests.rtl.support import StreamMonitor, simulate, stream_rule

CONFIG = preset("tiny", acc_depth=64, mask_width=16, mask_depth=64, act_depth=64)
ORDER = {
    "n_kctx": 2, "n_gctx": 3, "n_planes": 2, "n_rows": 3, "kctx_dr": 3, "kctx_acc": 21, "gctx_acc": 5, "ctx_slots": 40,
    "plane_slots": 130, "targeted": 0,
}  # fmt: skip
PIXELS = {
    "several words a pixel": {"multi_pixel": 0, "unit_words": 2, "units_per_pixel": 2, "n_units": 6, "in_chans": 100},
    "a word a pixel": {"multi_pixel": 0, "unit_words": 1, "units_per_pixel": 1, "n_units": 3, "in_chans": 20},
    "several pixels a word": {"multi_pixel": 1, "unit_words": 1, "units_per_pixel": 1, "n_units": 3, "in_chans": 3},
}
PITCH_LOG2 = 2  # of several pixels a word
ROW_END = "row end"


def contexts(fields: dict):
    """Of one unit: offsets to the first slot, accumulator and kernel row, the last output group, first and last context."""
    n = fields["n_kctx"] * fields["n_gctx"]
    for index in range(n):
        kctx, gctx = divmod(index, fields["n_gctx"])
        yield {
            "slot": index * fields["ctx_slots"], "acc": kctx * fields["kctx_acc"] + gctx * fields["gctx_acc"],
            "kshift": kctx * fields["kctx_dr"], "last_group": gctx == fields["n_gctx"] - 1, "first": index == 0,
            "last": index == n - 1,
        }  # fmt: skip


def first_chan(fields: dict) -> int:
    return -fields["gctx_acc"] if fields["targeted"] else 0


def expected(config, fields: dict, n_units: int):
    """Words in their order: ring position and payload, or ROW_END."""
    width, per_beat = config.detector_width, config.data_width // config.detector_width
    start = 0
    for _ in range(fields["n_rows"]):
        for plane in range(fields["n_planes"]):
            col = unit_chan = 0
            for unit in range(n_units):
                last_unit = unit == n_units - 1
                for context in contexts(fields):
                    for word in range(fields["unit_words"]):
                        chan, last_word = unit_chan + word * width, word == fields["unit_words"] - 1
                        ends = start + fields["unit_words"]
                        first_word = {"save": context["first"], "rewind": not context["first"]}
                        yield (
                            start + word,
                            {
                                "col": col,
                                "chan": (first_chan(fields) + plane * fields["plane_slots"] + chan) % (1 << chan_width(config)),
                                "ctx_slot": (fields["slot_base"] + context["slot"]) % (1 << slot_width(config)),
                                "ctx_acc": context["acc"] % config.acc_depth,
                                "kshift": context["kshift"],
                                "last_group": context["last_group"],
                                "first_ctx": context["first"],
                                **(first_word if word == 0 else {"save": 0, "rewind": 0}),
                                "release": last_word and context["last"],
                                "free_to": (ceil_div(ends, per_beat) if last_unit else ends // per_beat) % (2 * config.act_depth),
                                "n_chans": min(width, max(0, fields["in_chans"] - chan)),
                                "plane_end": last_unit and last_word,
                                "row_end": 0,
                            },
                        )
                start += fields["unit_words"]
                unit_chan += fields["unit_slots"]
                if fields["multi_pixel"]:
                    col, unit_chan = col + (width >> fields["pitch_log2"]), 0
                elif (unit + 1) % fields["units_per_pixel"] == 0:
                    col, unit_chan = col + 1, 0
            start = ceil_div(start, per_beat) * per_beat
        yield ROW_END, None


@pytest.mark.parametrize("detector_width", [32, 64])
@pytest.mark.parametrize("targeted", [0, 1])
@pytest.mark.parametrize("case", PIXELS)
def test_words(case, targeted, detector_width):
    config = replace(CONFIG, detector_width=detector_width)
    pixels = dict(PIXELS[case])
    n_units = pixels.pop("n_units")
    fields = ORDER | pixels | {"targeted": targeted, "slot_base": 7, "pitch_log2": PITCH_LOG2}
    fields |= {"words_per_row": n_units * fields["unit_words"], "unit_slots": fields["unit_words"] * detector_width}
    wanted = list(expected(config, fields, n_units))
    dut, rng, places, settled_rows = WordFetch(config), Random(detector_width), [], []
    monitor = StreamMonitor(dut.o_words, stall=0.3, seed=1)

    async def addresses(ctx):
        while True:
            _, _, en, addr = await ctx.tick().sample(dut.mask_en, dut.mask_addr)
            if en:
                places.append(addr)

    async def bench(ctx):
        for name in dut.config.shape().members:
            ctx.set(dut.config[name], fields[name])
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        last = max(place for place, _ in wanted if place != ROW_END)
        n_beats = ceil_div(last + 1, config.data_width // detector_width)
        written, scanned, missing = 0, 0, 0
        while not scanned:
            written = min(n_beats, written + (rng.random() < 0.04))
            ctx.set(dut.mask_written, written)
            go, settled = rng.random() < 0.3, rng.random() < 0.3
            ctx.set(dut.go, go)
            ctx.set(dut.settled, settled)
            ports = (dut.scanned, dut.row_advance, dut.waiting_masks)
            _, _, scanned, advance, waiting = await ctx.tick().sample(*ports)
            missing += waiting
            if advance:
                assert settled
                settled_rows.append(len(monitor.items))
        assert missing

    simulate(dut, bench, background=[addresses, monitor, stream_rule(dut.o_words)])
    size = 1 << len(dut.mask_addr)
    assert places == [place % size for place, _ in wanted if place != ROW_END]
    ends = [at + 1 for at, (place, _) in enumerate(wanted) if place == ROW_END]
    assert settled_rows == ends, "a row ends when its row end has been taken"
    assert len(monitor.items) == len(wanted)
    for item, (place, word) in zip(map(word_layout(config).from_bits, monitor.items), wanted, strict=True):
        if place == ROW_END:
            assert item.row_end and not (item.save or item.rewind or item.release or item.plane_end)
        else:
            assert {name: item[name] for name in word} == word
