"""Netlists, and Verilog whose activity is open: what is counted where."""

import re

import pytest
from amaranth import Module, Signal
from amaranth.back import rtlil
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.verilog import emit as verilog
from quiesce.sim.energy.module_nets import module_nets
from quiesce.sim.energy.monitors import Clocks, clocks, instrument
from quiesce.sim.netlist import Netlist, read_netlist


class Inner(wiring.Component):
    i: In(8)
    o: Out(8)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.ram = ram = memory.Memory(shape=8, depth=16, init=[])
        write = ram.write_port()
        port = ram.read_port(transparent_for=[write])
        m.d.comb += [
            port.addr.eq(self.i[:4]),
            port.en.eq(1),
            write.addr.eq(self.i[4:]),
            write.data.eq(self.i),
            write.en.eq(self.i[0]),
        ]
        m.d.sync += self.o.eq(self.i + port.data)
        return m


class Outer(wiring.Component):
    i: In(8)
    o: Out(16)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.left = left = Inner()
        m.submodules.right = right = Inner()
        sticky = Signal(5)
        held, kept = Signal(6, reset_less=True), Signal(7, reset_less=True)
        m.d.sync += [sticky.eq(self.i[:3]), self.o[:3].eq(sticky)]
        with m.If(self.i[7]):
            m.d.sync += [held.eq(self.i), kept.eq(held + 1)]
        with m.If(self.i[6]):
            m.d.sync += self.o[3:8].eq(kept)
        m.d.comb += [left.i.eq(self.i), right.i.eq(self.i), self.o[8:].eq(left.o ^ right.o)]
        return m


@pytest.fixture(scope="module")
def design() -> tuple[str, Netlist]:
    outer = Outer()
    text = rtlil.convert(outer, name="outer", ports={"i": (outer.i, None), "o": (outer.o, None)}, emit_src=False)
    text, netlist = verilog.with_netlist(text)
    return text, read_netlist(netlist, "outer")


def public(text: str, module: str) -> dict[str, int]:
    """Names that the simulator counts in a module, and their widths."""
    body = re.search(rf"(?ms)^module \\?{re.escape(module)}[ (].*?^endmodule", text)[0]
    found = re.findall(r"(?:wire|reg) (?:\[(\d+):0\] )?\\?(\S+) +/\*verilator public_flat_rd", body)
    return {name: int(high or 0) + 1 for high, name in found}


def test_flip_flops_and_the_clocks_that_can_be_gated(design: tuple[str, Netlist]) -> None:
    found = clocks(*design)
    # Registers: half of o, and sticky, with reset; held and kept without, under one condition. Of o some bits always load.
    assert found[""] == Clocks(8 + 5 + 6 + 7, gated=13, gates=1, gated_reset=0, gates_reset=0)
    assert found["left"] == found["right"] == Clocks(8, word_bits=128, word_gates=16)


def test_each_net_counts_once_where_it_is_driven(design: tuple[str, Netlist]) -> None:
    text, netlist = design
    open_ = instrument(text, netlist)
    outer, inner = public(open_, "outer"), public(open_, "outer.left")
    # Inputs belong to the top alone, outputs to the module that drives them; the clock to none.
    assert outer["i"] == 8 and "clk" not in outer
    assert inner["o"] == 8 and "i" not in inner and "clk" not in inner
    for name, names in (("outer", outer), ("outer.left", inner)):
        module = module_nets(netlist.modules[name], netlist)
        bits = [bit for net in names if ":" not in net for bit in module.names[net] if isinstance(bit, int)]
        assert len(bits) == len(set(bits))
        assert set(bits) <= module.driven | (module.inputs if name == "outer" else set())
        registers = {bit for net in ("held", "kept", "sticky", "o") for bit in module.names.get(net, ())}
        assert registers & module.driven <= set(bits)
    assert [width for net, width in outer.items() if net.startswith("load:13:")] == [1]
