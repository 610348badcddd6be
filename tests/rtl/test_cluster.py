"""Several cores in the Amaranth simulator: what stops one stops all, and the host is told which it was."""

from dataclasses import replace

import numpy as np
import pytest

from quiesce.spec.config import preset
from quiesce.spec.isa import HEADER, Opcode, Region
from quiesce.spec.registers import ErrorCode, Register
from quiesce.sw import reference
from quiesce.sw.compiler import compile_network
from tests.networks import conv, inputs, network
from tests.programs import packets, seal
from tests.rtl.core_bench import CONTROL_START, Machine
from tests.rtl.support import simulate

CONFIG = preset("tiny", n_cores=2, n_pes=1, acc_depth=64, mask_depth=32, weight_depth=32, param_depth=64, max_layers=2)


def one_layer():
    return network([conv(np.random.default_rng(1), "c", "input", 1, 1, (2, 2))], (5, 4, 1))


def stop(machine, x) -> tuple[ErrorCode, int]:
    """Run until the interrupt; the error and its core."""
    regions, found = machine.place(x), []

    async def bench(ctx):
        await machine.configure(ctx, regions, len(x))
        await machine.host.write(ctx, Register.CONTROL, CONTROL_START)
        while not ctx.get(machine.core.irq):
            await ctx.tick()
        error, _ = await machine.host.read(ctx, Register.ERROR)
        found.append((ErrorCode(error & 0xFF), error >> 8))
        await machine.host.write(ctx, Register.CONTROL, 2)
        while (await machine.host.read(ctx, Register.STATUS))[0]:
            pass
        assert (await machine.host.read(ctx, Register.ERROR))[0] == 0

    simulate(machine.core, bench, background=[machine.memory.reads, machine.memory.writes], limit=20_000)
    return found[0]


@pytest.fixture
def x():
    return inputs(np.random.default_rng(2), one_layer(), 2, 0.6)


def test_two_cores_equal_the_reference(x):
    program = compile_network(one_layer(), CONFIG)
    outputs, _ = Machine(program, stall=0.3, seed=3).run(x)
    np.testing.assert_array_equal(outputs, reference.run(one_layer(), x).outputs)


@pytest.mark.parametrize("core", [0, 1])
def test_a_bus_error_names_its_core(core, x):
    """Core 0 writes the upper rows, core 1 the lower ones."""
    program = compile_network(one_layer(), CONFIG)
    machine = Machine(program)
    base, _ = machine.place(x)[Region.OUTPUT]
    row = base + (3 * core) * program.output_layout.layouts[0].row.row_stride
    machine.memory.faults = range(row, row + 1)
    assert stop(machine, x) == (ErrorCode.BUS_WRITE, core)


@pytest.mark.parametrize("dest", [0, 0b100])
def test_a_selection_of_unknown_cores_stops_the_program(dest, x):
    program = compile_network(one_layer(), CONFIG)
    at = next(at for at, _, opcode in packets(program.image, CONFIG) if opcode == Opcode.CORES)
    image = bytearray(program.image)
    image[at : at + 8] = int.to_bytes(Opcode.CORES | dest << HEADER["dest"].low, 8, "little")
    cut = program.prologue_beats * CONFIG.beat_bytes
    sealed = seal(image[:cut], CONFIG) + seal(image[cut:], CONFIG)
    assert stop(Machine(replace(program, image=sealed)), x) == (ErrorCode.BAD_PACKET, 0)
