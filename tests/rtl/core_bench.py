"""Runs programs on a whole core in the Amaranth simulator."""

import numpy as np
from axi_lite import Master
from support import AXI4Memory, simulate

from quiesce.rtl.top import Top
from quiesce.spec.isa import BURST_BYTES_MAX, Region
from quiesce.spec.performance import COUNTER_STRIDE, Counter
from quiesce.spec.registers import Register

__all__ = ["Machine"]

CONTROL_START = 1


class Machine:
    """A core, a memory with random latencies, and a host; ``run`` executes a program on inputs."""

    def __init__(self, program, *, seed=0, stall=0.0, latency=(2, 12), write_latency=None, dense=False):
        self.program, self.dense = program, dense
        self.core = Top(program.config)
        self.memory = AXI4Memory(
            self.core.m_axi, size=1 << 20, seed=seed, stall=stall, latency=latency, write_latency=write_latency
        )
        self.host = Master(self.core.s_axil, delay=0)

    def place(self, inputs):
        """Put the regions into memory one after another; region -> (base, size)."""
        program, base, regions = self.program, 0x1000, {}
        contents = {
            Region.PROGRAM: program.image,
            Region.SCRATCH: bytes(program.scratch_bytes),
            Region.INPUT: program.encode_inputs(inputs),
            Region.OUTPUT: bytes(program.output_stride * len(inputs)),
        }
        for region, data in contents.items():
            regions[region] = (base, len(data))
            if region in (Region.PROGRAM, Region.INPUT):
                self.memory.data[base : base + len(data)] = data
            base += -(-len(data) // BURST_BYTES_MAX) * BURST_BYTES_MAX + BURST_BYTES_MAX
        return regions

    async def configure(self, ctx, regions, n_items):
        program, write = self.program, self.host.write
        for region, (base, size) in regions.items():
            await write(ctx, Register.BASE + 8 * region, base)
            await write(ctx, Register.SIZE + 8 * region, size)
        for register, value in {
            Register.MODE: int(self.dense),
            Register.N_ITEMS: n_items,
            Register.PROLOGUE_BEATS: program.prologue_beats,
            Register.BODY_BEATS: program.body_beats,
            Register.INPUT_STRIDE: program.input_stride,
            Register.OUTPUT_STRIDE: program.output_stride,
            Register.WATCHDOG: 20_000,
            Register.IRQ_ENABLE: 3,
        }.items():
            await write(ctx, register, value)

    def run(self, inputs, *, limit=100_000):
        """Outputs and the counters {(layer, Counter): value}; asserts that the core reports no error."""
        regions = self.place(inputs)
        result = {}

        async def bench(ctx):
            await self.configure(ctx, regions, len(inputs))
            await self.host.write(ctx, Register.CONTROL, CONTROL_START)
            while not ctx.get(self.core.irq):
                await ctx.tick()
            error, _ = await self.host.read(ctx, Register.ERROR)
            assert error == 0, f"error {error}"
            for plan in self.program.layers:
                for counter in Counter:
                    await self.host.write(ctx, Register.COUNTER_SELECT, plan.counter * COUNTER_STRIDE + counter)
                    low, _ = await self.host.read(ctx, Register.COUNTER_LOW)
                    result[plan.name, counter] = low

        simulate(self.core, bench, background=[self.memory.reads, self.memory.writes], limit=limit)
        base, size = regions[Region.OUTPUT]
        outputs = self.program.decode_outputs(bytes(self.memory.data[base : base + size]), len(inputs))
        return np.asarray(outputs), result
