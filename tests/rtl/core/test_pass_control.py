"""Passes overlap, but each part takes them in order, and no pass reads what may still change."""

from random import Random

import pytest

from quiesce.rtl.core.item_control import ItemControl
from quiesce.rtl.core.pass_control import PassControl
from quiesce.spec.config import preset
from tests.rtl.support import simulate

N_PASSES = 60
STAGES = ("reader", "front", "array", "back")


class Parts:
    """The parts around a PassControl, each busy for a random time with every pass that it takes."""

    def __init__(self, seed: int, slow: str):
        self.rng, self.slow = Random(seed), slow
        self.dut = PassControl()
        self.writes = [self.rng.random() < 0.7 for _ in range(N_PASSES)]
        self.busy = dict.fromkeys((*STAGES, "counters", "memory"), 0)
        self.taken = dict.fromkeys(STAGES, 0)  # passes, by each part
        self.written = 0  # passes that write, with everything in memory
        self.ends = 0

    def _time(self, part: str) -> int:
        return self.rng.randrange(40 if part == self.slow else 8)

    @property
    def writers(self) -> list[int]:
        """Passes that write."""
        return [index for index, writes in enumerate(self.writes) if writes]

    async def run(self, ctx) -> None:
        dut, busy, taken = self.dut, self.busy, self.taken
        ctx.set(dut.ready, 1)
        described = wait = 0  # what the sequencer holds; until it offers that
        for _ in range(20_000):
            if described == taken["array"] and described < N_PASSES and self.rng.random() < 0.3:
                described, wait = described + 1, self.rng.randrange(20)
            holds = described > taken["array"]
            older = max(0, taken["back"] - 1)  # passes that write and were begun before the last one
            ctx.set(dut.described, holds)
            ctx.set(dut.offered, holds and wait == 0)
            ctx.set(dut.writes, holds and self.writes[described - 1])
            ctx.set(dut.reader_done, busy["reader"] == 0)
            ctx.set(dut.scanned, busy["front"] == 0)
            ctx.set(dut.array_done, busy["array"] == 0)
            ctx.set(dut.back_done, busy["back"] == 0)
            ctx.set(dut.written, busy["memory"] == 0)
            ctx.set(dut.older_done, self.written >= older)
            ctx.set(dut.counters_ready, busy["counters"] == 0)
            starts = {part: ctx.get(getattr(dut, f"{part}_start")) for part in STAGES}
            self._check(ctx, starts)
            ended, idle = ctx.get(dut.pass_end), ctx.get(dut.idle)
            if idle and taken["array"] == N_PASSES:
                assert taken["back"] == len(self.writers) and self.ends == N_PASSES
                return
            await ctx.tick()
            wait = max(0, wait - 1)
            for part in busy:
                busy[part] = max(0, busy[part] - 1)
            if busy["back"] == 0 and busy["memory"] == 0:
                self.written = taken["back"]
            for part, start in starts.items():
                if start:
                    taken[part] += 1
                    busy[part] = 1 + self._time(part)
            if starts["back"]:
                busy["memory"] = busy["back"] + self._time("memory")
            if ended:
                self.ends += 1
                busy["counters"] = 1 + self._time("counters")
        raise AssertionError(f"no progress: {taken}")

    def _check(self, ctx, starts: dict[str, int]) -> None:
        taken = self.taken
        if starts["reader"]:  # one pass ahead at most, and nothing older than the last writer is on its way
            assert taken["reader"] == taken["front"] == taken["array"]
            begun = sum(self.writes[: taken["array"]])
            assert taken["back"] == begun and self.written >= begun - 1
        if starts["front"]:
            assert taken["front"] + 1 == taken["reader"] and taken["front"] == taken["array"]
        if starts["array"]:
            assert taken["array"] + 1 == taken["front"] and self.busy["array"] == 0
            assert taken["back"] == sum(self.writes[: taken["array"]])
        if starts["back"]:
            assert self.busy["back"] == 0 and taken["back"] < sum(self.writes[: taken["array"]])
        assert ctx.get(self.dut.ahead) == (taken["front"] > taken["array"])
        own = taken["array"] and self.writes[taken["array"] - 1] and taken["back"] == sum(self.writes[: taken["array"]])
        assert ctx.get(self.dut.back_current) == bool(own)


@pytest.mark.parametrize("slow", ["", *STAGES, "memory", "counters"])
def test_passes_go_through_in_order(slow):
    parts = Parts(len(slow), slow)
    simulate(parts.dut, parts.run, limit=25_000)


def test_an_item_counts_when_its_outputs_are_in_memory():
    """Passes of the next item may begin before that, and its end waits."""
    dut = ItemControl(preset("tiny"))

    async def bench(ctx):
        async def pulse(signal):
            ctx.set(signal, 1)
            await ctx.tick()
            ctx.set(signal, 0)

        ctx.set(dut.input_stride, 64)
        ctx.set(dut.output_stride, 16)
        await pulse(dut.start)
        assert ctx.get(dut.ready)
        ctx.set(dut.back_waits, 1)
        await pulse(dut.item_end)
        assert not ctx.get(dut.ready) and (ctx.get(dut.input_offset), ctx.get(dut.output_offset)) == (64, 16)
        await ctx.tick().repeat(3)
        await pulse(dut.back_start)  # the last pass of the first item
        ctx.set(dut.back_waits, 0)
        ctx.set(dut.older_done, 1)  # everything before that is in memory
        await ctx.tick().repeat(3)
        assert ctx.get(dut.items_done) == 0
        await pulse(dut.back_start)  # the first pass of the next item
        await ctx.tick().repeat(2)
        assert ctx.get(dut.items_done) == 1 and ctx.get(dut.ready)
        ctx.set(dut.older_done, 0)
        await pulse(dut.item_end)
        await ctx.tick().repeat(2)
        assert ctx.get(dut.items_done) == 1
        ctx.set(dut.complete, 1)
        await ctx.tick().repeat(2)
        assert ctx.get(dut.items_done) == 2 and ctx.get(dut.input_offset) == 128

    simulate(dut, bench)
