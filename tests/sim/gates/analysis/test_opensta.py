"""Static timing and leakage, against OpenSTA with the same library, netlist and wire loads."""

import shutil
from pathlib import Path

import pytest

from quiesce.sim.gates.analysis.flat import flatten
from quiesce.sim.gates.analysis.timing import analyse_timing
from quiesce.sim.gates.liberty.reader import default_liberty, read_library
from quiesce.sim.gates.synth.core_netlist import synthesize_core
from quiesce.spec.config import preset
from tests.sim.gates.opensta import longest_path_and_leakage


@pytest.mark.skipif(shutil.which("sta") is None, reason="sta is not installed; install OpenSTA (Debian's package opensta)")
@pytest.mark.parametrize("module", ["lanes_mac", "post_unit"], ids=["multiplier", "requantisation"])
def test_timing_and_leakage_agree(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Estimated buffers are not in the netlist.
    monkeypatch.setattr("quiesce.sim.gates.analysis.fanout.MAX_SINKS", 1 << 30)
    library = read_library(default_liberty())
    done = synthesize_core(preset("tiny"), library, module)
    flat = flatten(done.netlist, library, done.rams)
    period_ns, leakage_nw = longest_path_and_leakage(flat, tmp_path)
    assert analyse_timing(flat).period_ns == pytest.approx(period_ns, rel=0.1)
    assert sum(cell.cell.leakage_nw for cell in flat.cells) == pytest.approx(leakage_nw, rel=0.001)
