"""ProgramCheck and next_crc: sound programs pass as they are, damaged ones up to the packet that would make use of the damage."""

import random
import zlib

import pytest
from amaranth import Module, Signal
from amaranth.sim import Simulator

from quiesce.rtl.program.crc import next_crc
from quiesce.rtl.program.program_check import ProgramCheck
from quiesce.spec.config import preset
from quiesce.spec.isa import Opcode
from tests.programs import packets, seal
from tests.rtl.support import StreamDriver, StreamMonitor, simulate, stream_rule, wait_until

CONFIGS = {"narrow": preset("tiny"), "wide": preset("tiny", n_lanes=4, data_width=128, mask_width=16)}
CHECKED = (Opcode.START, Opcode.WAIT, Opcode.ITEM_END)


def random_program(rng, config, n_packets):
    """A sealed section that ends with a barrier."""
    section = b""
    for _ in range(n_packets):
        opcode = rng.choice(list(Opcode))
        count = 0 if opcode in (*CHECKED, Opcode.CORES) else rng.randint(1, 5)
        header = opcode | rng.randrange(64) << 4 | rng.getrandbits(16) << 16 | count << 32 | rng.getrandbits(16) << 48
        size = count * {Opcode.MASKS: config.mask_width, Opcode.VALUES: config.data_width}.get(opcode, 64) // 8
        section += header.to_bytes(config.beat_bytes, "little") + rng.randbytes(size) + bytes(-size % config.beat_bytes)
    return seal(section + int(Opcode.ITEM_END).to_bytes(config.beat_bytes, "little"), config)


def beats_of(image, config):
    size = config.beat_bytes
    return [int.from_bytes(image[at : at + size], "little") for at in range(0, len(image), size)]


@pytest.mark.parametrize("width", [64, 128])
def test_crc_of_a_beat(width):
    rng, m = random.Random(width), Module()
    crc, beat, following = Signal(32), Signal(width), Signal(32)
    m.d.comb += following.eq(next_crc(crc, beat, zlib.crc32))

    async def bench(ctx):
        for before, word in [(0, 0), *((rng.getrandbits(32), rng.getrandbits(width)) for _ in range(50))]:
            ctx.set(crc, before)
            ctx.set(beat, word)
            assert ctx.get(following) == zlib.crc32(word.to_bytes(width // 8, "little"), before)

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize(("gap", "stall"), [(0, 0), (0.3, 0.4)])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_sound_programs_pass(config, gap, stall):
    rng = random.Random(7)
    beats = [beat for _ in range(4) for beat in beats_of(random_program(rng, config, 20), config)]
    dut = ProgramCheck(config)
    monitor = StreamMonitor(dut.o_beats, len(beats), stall=stall, seed=2)
    simulate(dut, StreamDriver(dut.i_beats, beats, gap=gap, seed=1), monitor, background=[stream_rule(dut.o_beats)])
    assert monitor.items == beats
    assert gap or monitor.cycles[-1] - monitor.cycles[0] == len(beats) - 1


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_program_stops_where_it_would_be_used(seed):
    config, rng = CONFIGS["narrow"], random.Random(seed)
    image = random_program(rng, config, 12)
    at = rng.randrange(len(image))
    damaged = bytearray(image)
    damaged[at] ^= 1 << rng.randrange(8)
    heads = [(first, opcode) for first, _, opcode in packets(image, config)]
    in_header = any(first <= at < first + config.beat_bytes for first, _ in heads)
    stop = next(first for first, opcode in heads if (first + 7 >= at) and (in_header or opcode in CHECKED))
    dut = ProgramCheck(config)
    monitor = StreamMonitor(dut.o_beats)

    async def bench(ctx):
        await wait_until(ctx, dut.error)
        for _ in range(20):
            await ctx.tick()
        assert ctx.get(dut.error)

    simulate(dut, bench, background=[StreamDriver(dut.i_beats, beats_of(damaged, config)), monitor])
    assert monitor.items == beats_of(damaged[:stop], config)
