"""Recording the ports of a core, and its netlist on that stimulus."""

from pathlib import Path

import numpy as np
import pytest

from quiesce.sim.build import build_simulator
from quiesce.sim.errors import NetlistError
from quiesce.sim.gates.analysis.flat import flatten
from quiesce.sim.gates.liberty.reader import read_library
from quiesce.sim.gates.replay.recording import RECORD, Recording, read_recording, with_recorder
from quiesce.sim.gates.replay.replay import ReplayRun, replay
from quiesce.sim.gates.synth.synthesis import synthesize
from quiesce.sim.job import run_job
from tests.sim import standin
from tests.sim.gates.cells import write_liberty

PORTS = """\
module quiesce(clk, rst, a, y);
  input clk;
  wire clk;
  input rst;
  input [4:0] a;
  output [1:0] y;
  reg [1:0] y;
endmodule
"""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    simulator = build_simulator(with_recorder(standin.VERILOG, "mark"), mark=standin.MARK, toggles=False)
    folder = tmp_path_factory.mktemp("job")
    run_job(simulator, standin.job(standin.script(3)), folder)
    return read_recording(folder / RECORD, standin.VERILOG)


def test_what_the_core_saw_and_did(recording: Recording) -> None:
    taken = recording.outputs["m_axi_wvalid"][:, 0] & recording.inputs["m_axi_wready"][:, 0]
    data = np.packbits(recording.outputs["m_axi_wdata"][taken], axis=1, bitorder="little").reshape(-1)
    read = standin.memory()[standin.INPUT : standin.INPUT + 3 * standin.ITEM_BYTES]
    np.testing.assert_array_equal(data, read + 1)
    assert "clk" not in recording.inputs and recording.inputs["rst"].any()
    assert recording.stretches[0].begin == 0
    assert all(one.end == other.begin for one, other in zip(recording.stretches, recording.stretches[1:], strict=False))


def test_the_netlist_of_a_core_does_the_same(recording: Recording, tmp_path: Path) -> None:
    library = read_library(write_liberty(tmp_path))
    done = synthesize(standin.VERILOG, library)
    flat = flatten(done.netlist, library, done.rams)
    counted = tuple((stretch.begin, stretch.end) for stretch in recording.stretches)
    activity = replay(flat, [ReplayRun(recording, counted)])
    assert activity.cycles == (recording.stretches[-1].end,)
    assert activity.counts.any()
    wrong = standin.VERILOG.replace("+ 8'd1", "+ 8'd2")
    assert wrong != standin.VERILOG
    other = synthesize(wrong, library)
    with pytest.raises(NetlistError, match=r"the netlist differs from the RTL: run 0, cycle \d+, output m_axi_wdata"):
        replay(flatten(other.netlist, library, other.rams), [ReplayRun(recording, ())])


def test_the_form_of_a_recording(tmp_path: Path) -> None:
    text = with_recorder(PORTS, "m")
    assert text.startswith(PORTS[: -len("endmodule\n")]) and text.endswith("endmodule\n")
    assert '$fwrite(recorder, "%h\\n", {m, rst, a, y});' in text
    path = tmp_path / RECORD
    # 9 bits of mark, 1, 5 and 2 bits of ports.
    rows = [(0, 1, 3, 0), (1 << 8 | 7, 0, 16, 2), (0, 0, 0, 3), (1 << 8 | 7, 0, 1, 1), (1 << 8 | 2, 0, 31, 0), (0, 0, 0, 0)]
    path.write_text("".join(f"{m << 8 | r << 7 | a << 2 | y:05x}\n" for m, r, a, y in rows) + "0012")
    found = read_recording(path, PORTS)
    assert found.cycles == 6
    np.testing.assert_array_equal(found.inputs["a"] @ (1 << np.arange(5)), [3, 16, 0, 1, 31, 0])
    np.testing.assert_array_equal(found.outputs["y"] @ (1 << np.arange(2)), [0, 2, 3, 1, 0, 0])
    assert [(s.layer, s.begin, s.end) for s in found.stretches] == [(7, 0, 2), (7, 2, 4), (2, 4, 5)]


@pytest.mark.parametrize("text", ["", "00\n", "0123456\n0123456\n"])
def test_a_damaged_recording_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / RECORD
    path.write_text(text)
    with pytest.raises(NetlistError, match="not a recording of 17 bits a cycle"):
        read_recording(path, PORTS)


def test_a_missing_top_is_named() -> None:
    with pytest.raises(NetlistError, match="no module 'quiesce'"):
        with_recorder("module other(a); endmodule", "m")
