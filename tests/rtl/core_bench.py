"""Runs programs on a whole core in the Amaranth simulator."""

import numpy as np

from quiesce.rtl.top import Top
from quiesce.sim.flow import Deployment, RunOptions
from quiesce.sim.script import Operation, Script
from quiesce.spec.isa import BURST_BYTES_MAX, Region
from tests.rtl.axi_lite import Master
from tests.rtl.support import AXI4Memory, simulate

__all__ = ["Machine"]

CONTROL_START = 1


class Machine:
    """A core, a memory with random latencies, and a host; ``run`` executes a program on inputs."""

    def __init__(self, program, *, seed=0, stall=0.0, latency=(2, 12), write_latency=None, dense=False):
        self.program, self.options = program, RunOptions(dense=dense, watchdog=20_000)
        self.core = Top(program.config)
        self.memory = AXI4Memory(
            self.core.m_axi, size=1 << 20, seed=seed, stall=stall, latency=latency, write_latency=write_latency
        )
        self.host = Master(self.core.s_axil, delay=0)

    def place(self, inputs):
        """Put the regions into memory, apart from each other and in what is not zero; region -> (base, size)."""
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

    def deployment(self, regions, n_items):
        return Deployment(self.program, tuple(regions.values()), np.array(self.memory.data), n_items, self.options)

    async def execute(self, ctx, script):
        """Do what a script says; the values that it reports, without the cycles of a wait."""
        results = []
        for operation, address, value in script.encode().tolist():
            if operation == Operation.WRITE:
                await self.host.write(ctx, address, value)
            elif operation == Operation.READ:
                results.append((await self.host.read(ctx, address))[0])
            elif operation == Operation.WAIT:
                while not ctx.get(self.core.irq):
                    await ctx.tick()
                results += [0, 0]
        return script.decode(np.array(results, np.uint64))

    async def configure(self, ctx, regions, n_items):
        script = Script()
        script.set_up(self.deployment(regions, n_items).setup())
        await self.execute(ctx, script)

    def run(self, inputs, *, limit=100_000, vcd=None):
        """Outputs and the counters {(layer, Counter): value}, all signals in the file ``vcd`` if that is given; raises
        CoreError if the core reports an error."""
        deployment = self.deployment(self.place(inputs), len(inputs))
        values = {}

        async def bench(ctx):
            values.update(await self.execute(ctx, deployment.script()))

        simulate(self.core, bench, background=[self.memory.reads, self.memory.writes], limit=limit, vcd=vcd)
        counters = deployment.report(values).counters
        outputs = deployment.outputs(np.array(self.memory.data))
        return outputs, {
            (plan.name, counter): value for plan in self.program.layers for counter, value in counters[plan.counter].items()
        }
