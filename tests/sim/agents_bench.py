"""cocotb test module: a core between independent AXI agents that stall at random; its job is in the folder $AGENTS_JOB."""

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiRam

from quiesce.sim.script import Operation


def stalls(seed: int, share: float) -> Iterator[bool]:
    rng = random.Random(seed)
    while True:
        yield rng.random() < share


@cocotb.test()
async def job(dut) -> None:
    folder = Path(os.environ["AGENTS_JOB"])
    settings = json.loads((folder / "job.json").read_text())
    memory = (folder / "memory.bin").read_bytes()
    Clock(dut.clk, 10, unit="ns").start()
    master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
    ram = AxiRam(AxiBus.from_prefix(dut, "m_axi"), dut.clk, dut.rst, size=len(memory))
    ram.write(0, memory)
    channels = [
        *(getattr(agent.write_if, f"{name}_channel") for agent in (master, ram) for name in ("aw", "w", "b")),
        *(getattr(agent.read_if, f"{name}_channel") for agent in (master, ram) for name in ("ar", "r")),
    ]
    for index, channel in enumerate(channels):
        channel.set_pause_generator(stalls(settings["seed"] + index, settings["share"]))
    dut.rst.value = 1
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 4)

    results = []
    for kind, address, value in settings["script"]:
        if kind == Operation.WRITE:
            await master.write_dword(address, value)
        elif kind == Operation.READ:
            results.append(await master.read_dword(address))
        elif kind == Operation.WAIT:
            if not dut.irq.value:
                await with_timeout(RisingEdge(dut.irq), settings["limit_us"], "us")
            results += [0, 0]
    (folder / "memory.bin").write_bytes(ram.read(0, len(memory)))
    (folder / "result.json").write_text(json.dumps(results))
