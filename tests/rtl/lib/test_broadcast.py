"""Broadcast and PacketFilter against lists of packets."""

from random import Random

import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, connect, flipped

from quiesce.rtl.lib.broadcast import Broadcast
from quiesce.rtl.program.packet_filter import PacketFilter
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import HEADER, Opcode
from tests.rtl.support import StreamDriver, StreamMonitor, simulate, stream_rule


def header(opcode: int, *, dest: int = 0, count: int = 0) -> int:
    values = {"opcode": opcode, "dest": dest, "count": count}
    return sum(values.get(name, 0) << field.low for name, field in HEADER.items())


def random_program(rng: Random, config: CoreConfig, n_packets: int) -> tuple[list[int], list[list[int]]]:
    """Beats, and those that each core must be passed."""
    beats, wanted, selected = [], [[] for _ in range(config.n_cores)], range(config.n_cores)
    masks, words = config.data_width // config.mask_width, config.data_width // 64
    for _ in range(n_packets):
        opcode = rng.choice([*Opcode, Opcode.CORES])
        if opcode is Opcode.CORES:
            selected = rng.sample(range(config.n_cores), rng.randint(1, config.n_cores))
            beats.append(header(opcode, dest=sum(1 << core for core in selected)))
            continue
        if opcode in (Opcode.WAIT, Opcode.ITEM_END):
            selected, count, length = range(config.n_cores), 0, 0
        elif opcode is Opcode.START:
            count = length = 0
        else:
            count = rng.randint(0, 9)
            length = {Opcode.MASKS: -(-count // masks), Opcode.VALUES: count}.get(opcode, -(-count // words))
        packet = [header(opcode, count=count), *(rng.getrandbits(config.data_width) for _ in range(length))]
        beats += packet
        for core in selected:
            wanted[core] += packet
    return beats, wanted


class Shared(wiring.Component):
    """A program for the cores of a configuration, barriers included."""

    def __init__(self, config: CoreConfig):
        self.broadcast = Broadcast(config, config.n_cores)
        self.filters = [PacketFilter(config, i) for i in range(config.n_cores)]
        super().__init__({"i_beats": In(self.broadcast.i_beats.signature.flip())})

    def elaborate(self, platform):
        m = Module()
        m.submodules.broadcast = broadcast = self.broadcast
        connect(m, flipped(self.i_beats), broadcast.i_beats)
        release = 1
        for i, packets in enumerate(self.filters):
            m.submodules[f"filter_{i}"] = packets
            connect(m, getattr(broadcast, f"o_beats_{i}"), packets.i_beats)
            release &= packets.at_barrier
        m.d.comb += [packets.release.eq(release) for packets in self.filters]
        return m


class Taker(StreamMonitor):
    """A core: not idle for a while after each beat, and taking nothing in most of those cycles."""

    def __init__(self, packets: PacketFilter, **options):
        super().__init__(packets.o_beats, **options)
        self.packets = packets

    async def run(self, ctx) -> None:
        busy = 0
        while True:
            ctx.set(self.packets.idle, busy == 0)
            ready = busy == 0 or self.rng.random() >= self.stall
            ctx.set(self.stream.ready, ready)
            _, _, valid, payload = await ctx.tick().sample(self.stream.valid, self.stream.payload)
            if valid and ready:
                self.items.append(payload)
                busy = self.rng.randint(0, 6) if self.stall else 0
            elif busy:
                busy -= 1


@pytest.mark.parametrize("config", [
    CoreConfig(n_cores=2), CoreConfig(n_cores=3, data_width=128, mask_width=16), CoreConfig(n_cores=8, mask_width=64),
], ids=["2", "3, wide", "8"])  # fmt: skip
@pytest.mark.parametrize(("gap", "stall"), [(0.0, 0.0), (0.2, 0.6)])
def test_each_core_is_passed_its_packets_once_and_in_order(config, gap, stall):
    beats, wanted = random_program(Random(5), config, 150)
    dut = Shared(config)
    takers = [Taker(packets, seed=i, stall=stall) for i, packets in enumerate(dut.filters)]

    async def finish(ctx) -> None:
        while any(len(taker.items) < len(one) for taker, one in zip(takers, wanted, strict=True)):
            await ctx.tick()
        await ctx.tick().repeat(20)
        assert not any(ctx.get(packets.bad_packet) for packets in dut.filters)

    simulate(dut, StreamDriver(dut.i_beats, beats, gap=gap), finish, background=takers)
    assert [taker.items for taker in takers] == wanted


def test_a_core_waits_at_a_barrier_for_all_to_be_idle():
    config = CoreConfig(n_cores=2)
    dut = Shared(config)
    taken = [StreamMonitor(packets.o_beats) for packets in dut.filters]

    async def check(ctx) -> None:
        ctx.set(dut.filters[0].idle, 1)
        await ctx.tick().repeat(50)
        assert [len(one.items) for one in taken] == [2, 2]
        ctx.set(dut.filters[1].idle, 1)
        await ctx.tick().repeat(10)
        assert [len(one.items) for one in taken] == [4, 4]

    beats = [header(Opcode.PARAMS, count=1), 7, header(Opcode.WAIT), header(Opcode.PASS)]
    rules = [stream_rule(packets.o_beats) for packets in dut.filters]
    simulate(dut, StreamDriver(dut.i_beats, beats), check, background=[*taken, *rules])


@pytest.mark.parametrize("dest", [0b01, 0b10, 0b11, 0, 0b100, 1 << 15])
def test_a_selection_of_no_core_or_an_unknown_one_is_bad(dest):
    dut = PacketFilter(CoreConfig(n_cores=2), 0)

    async def check(ctx) -> None:
        await StreamDriver(dut.i_beats, [header(Opcode.CORES, dest=dest)]).run(ctx)
        assert ctx.get(dut.bad_packet) == (dest not in (0b01, 0b10, 0b11))

    simulate(dut, check)


def test_an_output_runs_ahead_and_the_rate_is_one_beat_a_cycle():
    dut = Broadcast(CoreConfig(), 3)
    monitors = [StreamMonitor(dut.o_beats_0, 200), StreamMonitor(dut.o_beats_1, 200)]

    async def late(ctx) -> None:
        await ctx.tick().repeat(300)
        assert [len(monitor.items) for monitor in monitors] == [Broadcast.DEPTH + 1] * 2
        await StreamMonitor(dut.o_beats_2, 200).run(ctx)

    simulate(dut, StreamDriver(dut.i_beats, range(200)), *monitors, late)
    assert all(monitor.items == list(range(200)) for monitor in monitors)
    cycles = monitors[0].cycles[: Broadcast.DEPTH]
    assert cycles == list(range(cycles[0], cycles[0] + Broadcast.DEPTH))
