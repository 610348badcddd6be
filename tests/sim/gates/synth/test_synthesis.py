"""Synthesis of a small design: its cells, area and what is refused."""

from pathlib import Path

import pytest

from quiesce.sim.energy.table import load_table
from quiesce.sim.errors import NetlistError
from quiesce.sim.gates.analysis.area import Size, area_report
from quiesce.sim.gates.analysis.fanout import buffer_tree
from quiesce.sim.gates.analysis.flat import flatten
from quiesce.sim.gates.analysis.timing import analyse_timing
from quiesce.sim.gates.errors import SynthesisError
from quiesce.sim.gates.liberty.library import Library
from quiesce.sim.gates.liberty.reader import default_liberty, read_library
from quiesce.sim.gates.synth.core_netlist import find_module
from quiesce.sim.gates.synth.synthesis import SynthesisOptions, synthesize
from tests.sim.gates.cells import write_liberty
from tests.sim.gates.design import DESIGN


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return read_library(write_liberty(tmp_path_factory.mktemp("library")))


def test_the_hierarchy_stays_and_equal_modules_are_mapped_once(tiny: Library) -> None:
    done = synthesize(DESIGN, tiny, "top")
    assert done.netlist.copies == {"top": 1, "adder": 2}
    assert [path for path, _ in done.netlist.walk()][0] == ""
    report = area_report(done, tiny, load_table())
    adder = next(entry for entry in report.modules if entry.name == "adder")
    # Four bits with an enable or a reset: one gated clock.
    assert (adder.copies, adder.each.flip_flops, adder.each.clock_gates) == (2, 4, 1)
    # 32 flip-flops of the small memory (a clock gate for all and one for each word); the large one's output is in the RAM.
    assert report.total.flip_flops == 2 * 4 + 32
    assert report.total.clock_gates == 2 + 1 + 4
    assert report.total.ram_bits == 64 * 32
    assert report.total == sum((entry.each * entry.copies for entry in report.modules), Size())
    assert report.total == sum(report.classes.values(), Size())
    cells = [instance.kind for _, module in done.netlist.walk() for instance in module.instances if instance.kind in tiny.cells]
    assert report.total.cells == len(cells)
    assert report.total.area == pytest.approx(sum(tiny.cells[kind].area for kind in cells))


def test_options(tiny: Library) -> None:
    plain = area_report(synthesize(DESIGN, tiny, "top", SynthesisOptions(clock_gates=False)), tiny, load_table()).total
    assert (plain.flip_flops, plain.clock_gates) == (40, 0)
    flat = synthesize(DESIGN, tiny, "top", SynthesisOptions(flatten=True))
    assert set(flat.netlist.copies) == {"top"}
    registers = synthesize(DESIGN, tiny, "top", SynthesisOptions(ram_bits=4096))
    assert registers.rams == {}
    # What is read at a clock has a gate for each word, and the module one in front of them.
    assert area_report(registers, tiny, load_table()).total.clock_gates == 2 + 1 + 4 + 64 + 1
    with pytest.raises(SynthesisError, match="gate_width: 0 is below 1"):
        SynthesisOptions(gate_width=0)


def test_a_second_call_takes_it_from_the_cache(tiny: Library) -> None:
    assert synthesize(DESIGN, tiny, "top").seconds == synthesize(DESIGN, tiny, "top").seconds
    assert synthesize(DESIGN, tiny, "top").hit


def test_another_technology() -> None:
    library = read_library(default_liberty())
    done = synthesize(DESIGN, library, "top")
    report = area_report(done, library, load_table())
    assert report.total.flip_flops == 40 and report.total.clock_gates == 7
    timing = analyse_timing(flatten(done.netlist, library, done.rams))
    assert 0.2 < timing.period_ns < 2.0


def test_flattening_joins_what_the_ports_join(tiny: Library) -> None:
    done = synthesize(DESIGN, tiny, "top")
    flat = flatten(done.netlist, tiny, done.rams)
    assert len(flat.cells) == area_report(done, tiny, load_table()).total.cells
    clocks = {cell.nets["CK"] for cell in flat.cells if cell.cell.flip_flop}
    gates = {cell.nets["GCK"] for cell in flat.cells if cell.cell.clock_gate}
    (clock,) = flat.inputs["clk"]
    assert clocks <= gates | {clock}
    (ram,) = flat.rams
    assert ram.clock == clock and set(flat.outputs["q"]) == set(ram.outputs)
    sums = {flat.names[net] for cell in flat.cells if cell.path == "two" and cell.cell.flip_flop for net in [cell.nets["Q"]]}
    assert sums == {f"y[{bit}]" for bit in range(4)}


def test_the_period_is_that_of_the_slowest_path(tmp_path: Path, tiny: Library) -> None:
    chain = "module top (input clk, input a, output reg y); reg x; always @(posedge clk) begin x <= a; y <= !x; end endmodule"
    done = synthesize(chain, tiny, "top")
    timing = analyse_timing(flatten(done.netlist, tiny, done.rams))
    # Clock to output at a typical slew, and an inverter at the register's slew; loads are a pin of 1 fF and a wire of 0.4 fF.
    transition = 0.02 + 0.01 * 1.4
    register, inverter = 0.1 + tiny.slew + 0.014, 0.1 + transition + 0.014
    assert timing.period_ns == pytest.approx(register + inverter + 0.05)
    assert [driver for _, driver, _ in timing.worst.steps] == ["clock", "DFF", "INV"]


def test_rams_answer_after_their_time(tiny: Library) -> None:
    done = synthesize(DESIGN, tiny, "top")
    flat = flatten(done.netlist, tiny, done.rams)
    slow, fast = analyse_timing(flat, 9.0), analyse_timing(flat, 0.0)
    assert slow.period_ns == pytest.approx(9.0)  # the RAM's outputs are outputs of the design
    assert slow.period_without_rams_ns == pytest.approx(fast.period_ns)


def test_a_net_of_many_sinks_ends_in_a_tree_of_buffers(tiny: Library) -> None:
    tree = buffer_tree(tiny, tiny.cells["BUF"], 40, 40.0)
    assert tree is not None and tree.buffers == 3
    assert tree.driver_load == pytest.approx(3 * 1.4)
    assert tree.stage_loads == (pytest.approx(40 / 3 + 0.4 * 14),)
    assert buffer_tree(tiny, tiny.cells["BUF"], 16, 16.0) is None
    two = buffer_tree(tiny, tiny.cells["BUF"], 600, 600.0)
    assert two is not None and (two.buffers, len(two.stage_loads)) == (38 + 3, 2)


def test_speed_costs_area() -> None:
    library = read_library(default_liberty())
    adder = "module top (input clk, input [31:0] a, output reg [31:0] q); always @(posedge clk) q <= q + a; endmodule"
    periods, areas = {}, {}
    for goal in ("area", "speed"):
        done = synthesize(adder, library, "top", SynthesisOptions(goal=goal))
        flat = flatten(done.netlist, library, done.rams)
        periods[goal], areas[goal] = analyse_timing(flat).period_ns, sum(cell.cell.area for cell in flat.cells)
    assert periods["speed"] < periods["area"] and areas["speed"] > areas["area"]


def test_a_loop_is_named(tiny: Library) -> None:
    loop = "module top (input a, input clk, output reg q, output y); assign y = ~(y & a); always @(posedge clk) q <= y; endmodule"
    done = synthesize(loop, tiny, "top")
    with pytest.raises(NetlistError, match="a combinational loop through top: "):
        analyse_timing(flatten(done.netlist, tiny, done.rams))


@pytest.mark.parametrize(
    ("verilog", "message"),
    [
        ("module top (input a, output y); assign y = b c; endmodule", "Yosys: "),
        ("module other (input a); endmodule", "Yosys: "),
        ("module top (input a, output y); missing m (.a(a), .y(y)); endmodule", "missing"),
        (
            "module top (input en, input d, output reg q); always @* if (en) q = d; endmodule",
            "D latches are not supported",
        ),
        (
            "module top (input clk, input [15:0] a, input [1:0] d, output [1:0] q); reg [1:0] m [65535:0]; "
            "always @(posedge clk) m[a] <= d; assign q = m[~a]; endmodule",
            "top, memory m: 65536 words of 2 bits are read without a clock",
        ),
    ],
)
def test_what_cannot_be_mapped_is_named(tiny: Library, verilog: str, message: str) -> None:
    with pytest.raises((SynthesisError, NetlistError)) as caught:
        synthesize(verilog, tiny, "top")
    assert message in str(caught.value)


def test_a_missing_yosys_is_named(tiny: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quiesce.sim.gates.synth.yosys.find_spec", lambda name: None)
    with pytest.raises(SynthesisError, match=r"install quiesce\[synth\]"):
        synthesize("module top (input a, output y); assign y = ~a; endmodule // not yet in the cache", tiny, "top")


def test_modules_are_found_by_the_end_of_their_names() -> None:
    names = ("quiesce", "quiesce_array_pe", "quiesce_array_pe_mac", "quiesce_mac")
    assert find_module(names, "quiesce") == "quiesce"
    assert find_module(names, "pe_mac") == "quiesce_array_pe_mac"
    with pytest.raises(SynthesisError, match="'fifo': none ends like this; there are array_pe, array_pe_mac, mac, quiesce"):
        find_module(names, "fifo")
    with pytest.raises(SynthesisError, match="'mac': several end like this; there are array_pe_mac, mac"):
        find_module(names, "mac")
