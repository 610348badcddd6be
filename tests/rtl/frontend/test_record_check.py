"""Checks of row records: what the sealer adds, and which beats the checker finds damaged."""

from random import Random

import pytest

from quiesce.rtl.bus.interfaces import packed_layout
from quiesce.rtl.frontend.record_check import RecordChecker, RecordSealer
from quiesce.spec.checksums import CHECK_BYTES, record_check
from quiesce.spec.config import preset
from tests.rtl.support import StreamDriver, StreamMonitor, simulate, stream_rule

CONFIG = preset("tiny", record_check=1)
SIZE = CONFIG.beat_bytes


def part(rng: Random, n_beats: int) -> bytes:
    """Masks or values of a record, with zeros in place of the check."""
    return rng.randbytes(n_beats * SIZE - CHECK_BYTES) + bytes(CHECK_BYTES)


def sealed(data: bytes) -> bytes:
    return data[:-CHECK_BYTES] + record_check(data)


def beats(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + SIZE], "little") for at in range(0, len(data), SIZE)]


def test_sealer():
    dut, rng, items, wanted = RecordSealer(CONFIG), Random(1), [], []
    for n_beats in [1, 2, 0, 5, 1, 0, 0, 3]:
        if not n_beats:
            items.append({"beat": 0, "last": 1, "empty": 1})
            wanted.append(None)
            continue
        data = part(rng, n_beats)
        items += [{"beat": beat, "last": at == n_beats - 1, "empty": 0} for at, beat in enumerate(beats(data))]
        wanted += beats(sealed(data))
    monitor = StreamMonitor(dut.o_beats, len(items), seed=2, stall=0.4)
    simulate(dut, StreamDriver(dut.i_beats, items, seed=3, gap=0.3), monitor, background=[stream_rule(dut.o_beats)])
    layout = packed_layout(CONFIG)
    seen = [layout.from_bits(item) for item in monitor.items]
    assert [None if item.empty else item.beat for item in seen] == wanted
    assert [item.last for item in seen] == [item["last"] for item in items]


@pytest.mark.parametrize("damage", [None, 0, 1])
def test_checker(damage):
    """Masks and values in any mixture; a flipped bit in one of them shows at the end of its part, and for ever."""
    dut, rng = RecordChecker(CONFIG), Random(4)
    parts = {0: [], 1: []}
    for queue in parts.values():
        for _ in range(12):
            data = sealed(part(rng, rng.randint(1, 4)))
            queue.append([(beat, at == len(data) // SIZE - 1) for at, beat in enumerate(beats(data))])
    if damage is not None:
        beat, last = parts[damage][5][0]
        parts[damage][5][0] = beat ^ (1 << rng.randrange(8 * SIZE)), last
    queues = {kind: [(*beat, index) for index, each in enumerate(queue) for beat in each] for kind, queue in parts.items()}

    async def bench(ctx):
        damaged = False
        while any(queues.values()):
            kind = rng.choice([kind for kind, queue in queues.items() if queue])
            en = rng.random() < 0.7
            ctx.set(dut.en, en)
            ctx.set(dut.is_value, kind)
            beat, last, index = queues[kind].pop(0) if en else (0, False, None)
            ctx.set(dut.beat, beat)
            ctx.set(dut.last, last)
            _, _, data = await ctx.tick().sample(dut.data)
            if en:
                assert data == (beat & ((1 << 8 * (SIZE - CHECK_BYTES)) - 1) if last else beat)
                damaged |= kind == damage and index == 5 and last
            assert ctx.get(dut.damaged) == damaged

    simulate(dut, bench)
