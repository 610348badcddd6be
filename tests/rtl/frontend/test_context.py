"""Events and contexts of found activations, position by position."""

from random import Random

import pytest

from quiesce.rtl.frontend.context import ContextStage
from quiesce.rtl.pe.interfaces import acc_addr_width, broadcast_layout, slot_width
from quiesce.spec.config import preset
from tests.rtl.support import StreamDriver, StreamMonitor, simulate, stream_rule

CONFIG = preset("tiny", n_pes=2, n_lanes=4, acc_depth=64, mask_width=16, mask_depth=64, post_units=1)
N_POSITIONS, VALID_CHANS = 9, 21


def axis_entry(rng: Random) -> dict[str, int]:
    return {
        "acc": rng.randrange(CONFIG.acc_depth), "slot": rng.randrange(60), "low": rng.randint(0, 1), "high": rng.randint(-1, 2),
    }  # fmt: skip


def activation(rng: Random, before: dict | None) -> dict[str, int]:
    """One that often has the context of the one before it."""
    same = before is not None and rng.random() < 0.6
    place = {name: before[name] for name in ("col", "ctx_slot", "ctx_acc", "kshift", "last_group")} if same else {
        "col": rng.randrange(8), "ctx_slot": rng.randrange(40), "ctx_acc": rng.randrange(64), "kshift": rng.randrange(2),
        "last_group": rng.randrange(2),
    }  # fmt: skip
    nonzero = rng.random() < 0.8
    value = rng.choice([-128, -1, 1, 127]) if nonzero else 0
    row_end = rng.random() < 0.1
    return place | {
        "chan": rng.randrange(32),
        "first_ctx": rng.randrange(2),
        "row_end": row_end,
        "nonzero": nonzero,
        "value": value,
    }


class Model:
    """What comes of each activation; columns contribute ``cols``, the row ``row``."""

    def __init__(self, rng: Random, targeted: int, shared: int):
        self.targeted, self.shared = targeted, shared
        self.row, self.cols = axis_entry(rng), [axis_entry(rng) for _ in range(8)]
        self.dr, self.dc = ([rng.randrange(3) for _ in range(N_POSITIONS)] for _ in range(2))
        self.last_mask = rng.randrange(1, 1 << N_POSITIONS)
        self.told, self.counted = None, 0

    def event(self, found: dict) -> tuple | str | None:
        if found["row_end"]:
            return "row end"
        col, chan, group, pe, slot = self.cols[found["col"]], found["chan"], 0, 0, found["chan"]
        if self.targeted:
            if chan >= VALID_CHANS:
                return None
            group, pe = chan // CONFIG.lanes, chan // CONFIG.n_lanes % CONFIG.n_pes
            slot = chan % CONFIG.n_lanes + (0 if self.shared else group * CONFIG.n_lanes)
        self.counted += bool(found["first_ctx"] and found["value"])
        mask = 0
        for p in range(N_POSITIONS):
            row_ok = self.row["low"] <= self.dr[p] + found["kshift"] <= self.row["high"]
            col_ok = col["low"] <= self.dc[p] <= col["high"]
            last_ok = not found["last_group"] or self.last_mask >> p & 1
            mask |= bool(row_ok and col_ok and last_ok) << p
        if not mask:
            return None
        base = (self.row["acc"] + col["acc"] + found["ctx_acc"] + group) % (1 << acc_addr_width(CONFIG))
        context = (mask, base, found["last_group"])
        first, self.told = self.targeted or context != self.told, context
        slot = (self.row["slot"] + col["slot"] + found["ctx_slot"] + slot) % (1 << slot_width(CONFIG))
        return slot, found["value"], bool(first), *context, pe


@pytest.mark.parametrize(("targeted", "shared"), [(0, 0), (1, 0), (1, 1)])
@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_events(targeted, shared, stall):
    rng, dut = Random(targeted + 2 * shared), ContextStage(CONFIG)
    model, found = Model(rng, targeted, shared), []
    for _ in range(400):
        found.append(activation(rng, found[-1] if found else None))
    wanted = [event for event in map(model.event, found) if event is not None]
    assert len(wanted) > 40
    monitor = StreamMonitor(dut.o_events, stall=stall, seed=1)
    counted = []

    async def lookups(ctx):
        """The column table and the value buffer, which answer a cycle after an activation is accepted."""
        index = 0
        while True:
            _, _, en, col, event_found = await ctx.tick().sample(dut.col_en, dut.i_found.payload.col, dut.event_found)
            counted.append(event_found)
            if en:
                ctx.set(dut.col_entry, model.cols[col])
                ctx.set(dut.value, found[index]["value"])
                index += 1

    async def bench(ctx):
        ctx.set(dut.row, model.row)
        settings = {"last_mask": model.last_mask, "targeted": targeted, "shared": shared, "valid_chans": VALID_CHANS}
        ctx.set(dut.config, settings)
        ctx.set(dut.exists, (1 << N_POSITIONS) - 1)
        for p in range(N_POSITIONS):
            ctx.set(dut.dr[p], model.dr[p])
            ctx.set(dut.dc[p], model.dc[p])
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        items = [{name: value for name, value in each.items() if name != "value"} for each in found]
        await StreamDriver(dut.i_found, items, seed=3, gap=stall).run(ctx)
        while ctx.get(dut.busy):
            await ctx.tick()

    simulate(dut, bench, background=[lookups, monitor, stream_rule(dut.o_events)])
    seen = []
    for item in map(broadcast_layout(CONFIG).from_bits, monitor.items):
        event, context = item.event, item.context
        told = (event.slot, event.value, bool(event.first), context.mask, context.base, item.last_group, item.pe)
        seen.append("row end" if event.row_end else told)
    assert seen == wanted
    assert sum(counted) == model.counted
