"""The length of packets from their headers."""

import pytest
from amaranth import Module, Signal
from amaranth.sim import Simulator

from quiesce.rtl.program.packets import header_fields, payload_beats
from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.config import preset
from quiesce.spec.isa import HEADER, Opcode


@pytest.mark.parametrize("name", ["tiny", "wide"])
def test_payload_beats(name):
    config, m = preset(name), Module()
    beat, length = Signal(config.data_width), Signal(17)
    m.d.comb += length.eq(payload_beats(m, config, header_fields(beat)))
    per_beat = {Opcode.MASKS: config.data_width // config.mask_width, Opcode.VALUES: 1}
    per_beat |= dict.fromkeys((Opcode.PARAMS, Opcode.PASS), config.data_width // 64)

    async def bench(ctx):
        for opcode in Opcode:
            for count in (0, 1, 2, 3, 17, 65535):
                ctx.set(beat, HEADER.pack(dict.fromkeys(HEADER, 0) | {"opcode": opcode, "count": count}))
                await ctx.delay(1e-9)
                assert ctx.get(length) == (ceil_div(count, per_beat[opcode]) if opcode in per_beat else 0)

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
