"""Damaged programs on the Verilog of a core: it stops with an interrupt, writes nowhere else, and recovers by RESET.

Most of the programs have checks that fit the damage, as if a faulty compiler had written it: what these run into is everything
behind the check. The others must not end in a wrong answer without a word.

Each phase runs one damaged program, resets the core, and runs the sound program on the same inputs. A core that hangs reaches the
phase's limit, which is an error of its own.
"""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from quiesce.sim.build import build_simulator
from quiesce.sim.core_text import core_text
from quiesce.sim.job import BrokenRule, Bus, Job, JobPhase, run_job
from quiesce.sim.script import Script
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import PASS_FIELDS, Opcode, Region
from quiesce.spec.registers import Control, ErrorCode, Register, Status
from quiesce.sw import reference
from quiesce.sw.compiler import compile_network
from quiesce.sw.format.ops import MAXPOOL
from tests import networks
from tests.programs import packets, seal
from tests.sim.cores import PLAIN, WINNERS

PAGE = 4096
FILL = 0xA5
WATCHDOG = 20_000
N_PROGRAMS = 150
N_ITEMS = 2
SETTLE_READS = 150  # of the status after a reset: longer than the bursts under way take


def sound_network(config):
    rng = np.random.default_rng(3)
    conv = networks.conv(rng, "c", "input", 3, 9, (3, 3), stride=(2, 1), pad=(1, 1, 1, 1), density=0.6)
    layers = [
        replace(conv, winners=5 if config.winner_depth else 0),
        networks.pool(MAXPOOL, "p", "c", 9, (2, 2)),
        networks.linear(rng, "f", "p", 2 * 4 * 9, 7),
    ]
    return networks.network(layers, (7, 8, 3))


def damage(program, rng, *, sealed):
    """One to three flipped bits, most of them where the hardware is told what to do."""
    data = bytearray(program.image)
    places = list(packets(program.image, program.config))
    passes = [at for at, _, opcode in places if opcode == Opcode.PASS]
    for _ in range(rng.randint(1, 3)):
        kind = rng.random()
        if kind < 0.7:
            at = rng.choice(passes) + WINNERS.beat_bytes + rng.randrange(8 * len(PASS_FIELDS))
        elif kind < 0.9:
            at = rng.choice(places)[0] + rng.randrange(8)
        else:
            at = rng.randrange(len(data))
        data[at] ^= 1 << rng.randrange(8)
    if not sealed:
        return bytes(data)
    cut = program.prologue_beats * program.config.beat_bytes
    return seal(data[:cut], program.config) + seal(data[cut:], program.config)


def run_and_recover(program, regions, sound_program):
    """Registers accesses of one phase."""
    script = Script()
    for index, (base, size) in enumerate(regions):
        script.write(Register.BASE + 8 * index, base)
        script.write(Register.SIZE + 8 * index, size)
    for register, value in {
        Register.N_ITEMS: N_ITEMS, Register.WATCHDOG: WATCHDOG, Register.PROLOGUE_BEATS: program.prologue_beats,
        Register.BODY_BEATS: program.body_beats, Register.INPUT_STRIDE: program.input_stride,
        Register.OUTPUT_STRIDE: program.output_stride, Register.IRQ_ENABLE: 3, Register.CONTROL: 1 << Control.START,
    }.items():  # fmt: skip
        script.write(register, value)
    script.wait(Register.ITEMS_DONE, "begin", "end")
    script.read(Register.STATUS, "status")
    script.read(Register.ERROR, "error")
    script.write(Register.CONTROL, 1 << Control.RESET)
    for attempt in range(SETTLE_READS):
        script.read(Register.STATUS, ("reset", attempt))
    script.write(Register.BASE + 8 * Region.PROGRAM, sound_program[0])
    script.write(Register.SIZE + 8 * Region.PROGRAM, sound_program[1])
    script.write(Register.IRQ_STATUS, 3)
    script.write(Register.CONTROL, 1 << Control.START)
    script.wait(Register.ITEMS_DONE, "begin again", "end again")
    script.read(Register.STATUS, "status again")
    return script


@pytest.mark.parametrize(("config", "seed"), [(WINNERS, 1), (WINNERS, 5), (PLAIN, 2)])
def test_damaged_programs_stop_and_the_core_recovers(config: CoreConfig, seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    net = sound_network(config)
    inputs = networks.inputs(np.random.default_rng(seed), net, N_ITEMS, 0.5)
    program = compile_network(net, config)
    images = [damage(program, rng, sealed=index % 3 > 0) for index in range(N_PROGRAMS)]

    # Every region between pages that nobody may touch; a damaged program and an output region for each phase.
    end, memory = PAGE, []

    def place(content: bytes) -> tuple[int, int]:
        nonlocal end
        base = end
        memory.append((base, content))
        end += -(-len(content) // PAGE) * PAGE + PAGE
        return base, len(content)

    sound = place(program.image)
    scratch = place(bytes(program.scratch_bytes))
    source = place(program.encode_inputs(inputs))
    damaged = [place(image) for image in images]
    outputs = [place(bytes(program.output_stride * N_ITEMS)) for _ in images]
    before = np.full(end, FILL, np.uint8)
    for base, content in memory:
        before[base : base + len(content)] = np.frombuffer(content, np.uint8)

    scripts = [run_and_recover(program, (bad, scratch, source, out), sound) for bad, out in zip(damaged, outputs, strict=True)]
    phases = [JobPhase(script=script, limit=1 << 22, tolerate=BrokenRule.READ_HAZARD) for script in scripts]
    simulator = build_simulator(core_text(config).verilog, main="loop")
    result = run_job(simulator, Job(before, phases, Bus(latency=20, stall=60, seed=seed)), tmp_path)

    expected = reference.run(net, inputs).outputs
    may_change = np.zeros(end, bool)
    for base, size in (scratch, *outputs):
        may_change[base : base + size] = True
    np.testing.assert_array_equal(result.memory[~may_change], before[~may_change])
    codes = [set(), set()]  # of programs without and with fitting checks
    for index, (phase, (base, size)) in enumerate(zip(result.phases, outputs, strict=True)):
        values = phase.values
        where = f"program {index}"
        codes[index % 3 > 0].add(ErrorCode(values["error"]))
        assert values["status"] == 1 << (Status.ERROR if values["error"] else Status.DONE), where
        assert values["reset", SETTLE_READS - 1] == 0, where
        assert values["status again"] == 1 << Status.DONE, where
        found = program.decode_outputs(result.memory[base : base + size].tobytes(), N_ITEMS)
        np.testing.assert_array_equal(found, expected, where)
    assert {ErrorCode.NONE, ErrorCode.BAD_PACKET, ErrorCode.BOUNDS, ErrorCode.WATCHDOG} <= codes[1]
    assert ErrorCode.PROGRAM_CHECK in codes[0] and ErrorCode.NONE not in codes[0]
