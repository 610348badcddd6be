"""Simulation of a netlist on recorded stimulus."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from quiesce.sim.errors import NetlistError
from quiesce.sim.gates.analysis.flat import Flat, FlatCell, flatten
from quiesce.sim.gates.analysis.topology import ordered_logic
from quiesce.sim.gates.liberty.reader import default_liberty, read_library
from quiesce.sim.gates.replay.operation_tables import make_tables
from quiesce.sim.gates.replay.recording import Recording
from quiesce.sim.gates.replay.replay import NetlistActivity, ReplayRun, replay
from quiesce.sim.gates.synth.synthesis import SynthesisOptions, synthesize
from tests.sim.gates.cells import write_liberty
from tests.sim.gates.design import DESIGN, recording


def _flat(folder: Path, text: str = DESIGN, options: SynthesisOptions | None = None) -> Flat:
    library = read_library(write_liberty(folder))
    done = synthesize(text, library, "top", options)
    return flatten(done.netlist, library, done.rams)


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Flat:
    return _flat(tmp_path_factory.mktemp("library"))


def _run(seed: int, cycles: int, counted: tuple[tuple[int, int], ...] = ()) -> ReplayRun:
    return ReplayRun(recording(seed, cycles), counted)


def test_its_outputs_are_those_of_the_design(flat: Flat) -> None:
    replay(flat, [_run(1, 600)])


@pytest.mark.parametrize(
    "options", [SynthesisOptions(clock_gates=False), SynthesisOptions(flatten=True), SynthesisOptions(ram_bits=4096)]
)
def test_however_it_is_synthesised(tmp_path: Path, options: SynthesisOptions) -> None:
    replay(_flat(tmp_path, options=options), [_run(2, 300)])


def test_with_another_library() -> None:
    library = read_library(default_liberty())
    done = synthesize(DESIGN, library, "top")
    replay(flatten(done.netlist, library, done.rams), [_run(3, 300)])


def test_a_difference_is_named(flat: Flat) -> None:
    good, bad = recording(4, 1500), recording(5, 1500)
    bad.outputs["q"][1234, 3] ^= True
    bad.outputs["y"][1300, 0] ^= True
    was = int(bad.outputs["q"][1234, 3])
    with pytest.raises(NetlistError) as caught:
        replay(flat, [ReplayRun(good, ()), ReplayRun(bad, ())])
    message = f"the netlist differs from the RTL: run 1, cycle 1234, output q[3] is {1 - was} instead of {was}"
    assert str(caught.value) == message
    good.outputs["y"][0, 0] ^= True  # in reset registers hold anything
    replay(flat, [ReplayRun(good, ())])


def _counted_by_hand(flat: Flat, run: ReplayRun) -> dict[int, int]:
    """Changes of each net of the logic and of the registers, by evaluating expressions one by one."""
    tables = make_tables(flat)
    values = dict.fromkeys(range(tables.n_nets), False) | {1: True}
    memory: dict[int, int] = {}
    changes = dict.fromkeys(tables.driven, 0)
    before = dict(values)
    order = ordered_logic(flat)
    (ram,) = flat.rams
    gates = {cell.nets["GCK"]: cell for cell in flat.cells if cell.cell.clock_gate}
    ((begin, end),) = run.counted

    def number(nets: tuple[int, ...]) -> int:
        return sum(values[net] << bit for bit, net in enumerate(nets))

    for cycle in range(run.recording.cycles):
        for name, nets in flat.inputs.items():
            if name != "clk":
                values |= dict(zip(nets, run.recording.inputs[name][cycle], strict=True))
        for cell in order:
            for pin in cell.cell.outputs:
                assert pin.function is not None
                values[cell.nets[pin.name]] = pin.function.evaluate({p.name: values[cell.nets[p.name]] for p in cell.cell.inputs})
        for net in changes:
            if begin <= cycle < end:
                changes[net] += values[gates[net].nets["E"]] if net in gates else values[net] != before[net]
        before = dict(values)
        registers = [cell for cell in flat.cells if cell.cell.flip_flop]
        running = [cell for cell in registers if cell.nets["CK"] not in gates or values[gates[cell.nets["CK"]].nets["E"]]]
        following = {cell.nets["Q"]: values[cell.nets["D"]] for cell in running}
        read = memory.get(number(ram.pins["RD_ADDR"]), 0)
        if any(values[net] for net in ram.pins["WR_EN"]):
            memory[number(ram.pins["WR_ADDR"])] = number(ram.pins["WR_DATA"])
        values |= following | {net: bool(read >> bit & 1) for bit, net in enumerate(ram.pins["RD_DATA"])}
    return changes


def test_activity_is_counted_in_its_window_and_lane(flat: Flat) -> None:
    runs = [_run(6, 700, ((100, 640),)), _run(7, 90, ((0, 90),))]
    activity = replay(flat, [runs[0], _run(8, 40), runs[1]])
    assert activity.cycles == (540, 0, 90)
    for lane, run in ((0, runs[0]), (2, runs[1])):
        counted = {net: int(activity.counts[row, lane]) for net, row in activity.driven.items()}
        assert counted == _counted_by_hand(flat, run)
    assert not activity.counts[:, 1].any()


def test_windows_add_up(flat: Flat) -> None:
    parts = [replay(flat, [_run(9, 500, (window,))]).counts for window in ((3, 200), (200, 500))]
    both = replay(flat, [_run(9, 500, ((3, 200), (200, 500)))])
    assert (both.counts == sum(parts)).all() and both.cycles == (497,)


def test_all_lanes_are_independent(flat: Flat) -> None:
    runs = [_run(seed, 50, ((0, 50),)) for seed in range(64)]
    together = replay(flat, runs)
    assert (together.counts[:, 63] == replay(flat, runs[63:]).counts[:, 0]).all()
    with pytest.raises(NetlistError, match=r"65 runs are not 1\.\.64"):
        replay(flat, [*runs, runs[0]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("input clk, input rst, input c, output reg y); always @(posedge c) y <= ~y;", "a clock that is neither"),
        ("input ck, input rst, output y); assign y = rst;", "the design has no input 'clk'"),
        ("input clk, input rst, output reg y); always @(negedge clk) y <= ~y;", "a clock that is neither"),
    ],
)
def test_other_clocks_are_refused(tmp_path: Path, text: str, message: str) -> None:
    run = replace(recording(0, 4), inputs={"rst": np.ones((4, 1), bool)}, outputs={"y": np.zeros((4, 1), bool)})
    with pytest.raises(NetlistError, match=message):
        replay(_flat(tmp_path, f"module top ({text} endmodule"), [ReplayRun(run, ())])


def test_a_clock_behind_two_gates_runs_if_both_let_it(tmp_path: Path) -> None:
    library = read_library(write_liberty(tmp_path))
    nets = dict(zip(("clk", "rst", "a", "b", "d", "g1", "g2", "q"), range(2, 10), strict=True))

    def cell(name: str, **pins: str) -> FlatCell:
        return FlatCell("", "top", name, library.cells[name], {pin: nets[net] for pin, net in pins.items()})

    cells = [cell("GATE", CK="clk", E="a", GCK="g1"), cell("GATE", CK="g1", E="b", GCK="g2"), cell("DFF", CK="g2", D="d", Q="q")]
    inputs = {name: (nets[name],) for name in ("clk", "rst", "a", "b", "d")}
    flat = Flat(library, cells, [], inputs, {"q": (nets["q"],)}, {net: name for name, net in nets.items()})
    rng = np.random.default_rng(1)
    bits = {name: rng.integers(0, 2, (200, 1)).astype(bool) for name in ("a", "b", "d")} | {"rst": np.zeros((200, 1), bool)}
    q = np.zeros((200, 1), bool)
    for cycle in range(199):
        q[cycle + 1] = bits["d"][cycle] if bits["a"][cycle] & bits["b"][cycle] else q[cycle]
    activity = replay(flat, [ReplayRun(Recording(bits, {"q": q}, ()), ((0, 200),))])
    assert activity.counts[activity.driven[nets["g1"]], 0] == bits["a"].sum()
    assert activity.counts[activity.driven[nets["g2"]], 0] == (bits["a"] & bits["b"]).sum()


def test_an_activity_has_a_row_for_each_net(flat: Flat) -> None:
    activity: NetlistActivity = replay(flat, [_run(1, 10)])
    driven = {cell.nets[pin.name] for cell in flat.cells for pin in cell.cell.outputs if pin.name in cell.nets}
    assert activity.driven.keys() == driven | set(flat.rams[0].outputs) - {0, 1}


BANK = """\
module top (input clk, input [2:0] en, input [3:0] a, output [11:0] y);
  reg [3:0] r [2:0];
  assign y = { r[2], r[1], r[0] };
  always @(posedge clk) begin
    if (en[0]) r[0] <= a;
    if (en[1]) r[1] <= a + 1;
    if (en[2]) r[2] <= r[0];
  end
endmodule
"""


@pytest.mark.parametrize(("fewest", "gates"), [(3, 4), (4, 3)])
def test_clock_gates_of_a_module_share_one(tmp_path: Path, fewest: int, gates: int) -> None:
    flat = _flat(tmp_path, BANK, SynthesisOptions(shared_gates=fewest))
    found = [cell for cell in flat.cells if cell.cell.clock_gate]
    assert len(found) == gates
    (clock,) = flat.inputs["clk"]
    first = [cell for cell in found if cell.nets["CK"] == clock]
    assert len(first) == (1 if gates == 4 else 3)
    if gates == 4:
        assert all(cell.nets["CK"] == first[0].nets["GCK"] for cell in found if cell is not first[0])

    rng = np.random.default_rng(3)
    en, a = rng.random((200, 3)) < 0.3, rng.random((200, 4)) < 0.5
    en[:3] = np.eye(3, dtype=bool)[[0, 1, 2]]  # registers hold anything before
    values, words = [0, 0, 0], []
    for enabled, number in zip(en, a @ (1 << np.arange(4)), strict=True):
        words.append(values[0] | values[1] << 4 | values[2] << 8)
        following = (int(number), (int(number) + 1) % 16, values[0])
        values = [new if on else old for new, on, old in zip(following, enabled, values, strict=True)]
    y = np.array([[word >> bit & 1 for bit in range(12)] for word in words], bool)
    tables = make_tables(flat)
    rst = np.zeros((200, 1), bool)
    rst[2] = True  # the recording is compared after it
    activity = replay(flat, [ReplayRun(Recording({"en": en, "a": a, "rst": rst}, {"y": y}, ()), ((3, 200),))], tables)
    if gates == 4:
        opened = activity.counts[tables.driven[first[0].nets["GCK"]], 0]
        assert opened == np.count_nonzero(en[3:].any(1))
