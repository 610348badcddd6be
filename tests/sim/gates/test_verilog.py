"""Netlists as Verilog: the stand-in core as gates in the bench of the RTL."""

from pathlib import Path

import numpy as np
import pytest

from quiesce.sim.build import NO_MARK, build_simulator
from quiesce.sim.gates.liberty import read_library
from quiesce.sim.gates.library import Library
from quiesce.sim.gates.synthesis import synthesize
from quiesce.sim.gates.verilog import simulation_text
from quiesce.sim.job import run_job
from tests.sim import standin
from tests.sim.gates.cells import write_liberty
from tests.sim.gates.design import DESIGN


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return read_library(write_liberty(tmp_path))


def test_gates_in_the_bench_do_what_the_core_does(library: Library, tmp_path: Path) -> None:
    done = synthesize(standin.VERILOG, library)
    text = simulation_text(done.netlist, library)
    gates = build_simulator(text.verilog + done.ram_models, mark=NO_MARK)
    result = run_job(gates, standin.job(standin.script(5)), tmp_path)
    expected = standin.memory()
    size = 5 * standin.ITEM_BYTES
    expected[standin.OUTPUT : standin.OUTPUT + size] = expected[standin.INPUT : standin.INPUT + size] + 1
    np.testing.assert_array_equal(result.memory, expected)


def test_names_lead_back_to_the_netlist(library: Library) -> None:
    done = synthesize(DESIGN, library, "top")
    text = simulation_text(done.netlist, library)
    assert text.scopes.keys() == {"", "one", "two"}
    assert text.scopes["one"][:1] == text.scopes[""] == ("d",)
    assert len(set(text.scopes.values())) == 3
    assert {port: len(names) for port, names in text.ports["adder"].items()} == {
        "clk": 1, "rst": 1, "en": 1, "a": 4, "b": 4, "sum": 4
    }  # fmt: skip
    assert text.verilog.count("endmodule") == 3  # the top, its frame, and the adder once
