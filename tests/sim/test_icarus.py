"""The bench on a second simulator: same outputs, same cycles."""

import networks
import numpy as np
import pytest
from cores import SMALL

from quiesce.sim import cosim, icarus
from quiesce.sim.errors import BuildError, SimError

RNG = np.random.default_rng(5)
NETWORK = networks.network(
    [
        networks.conv(RNG, "conv", "input", 2, 5, (3, 3), pad=(1, 1, 1, 1), density=0.6),
        networks.linear(RNG, "fc", "conv", 80, 7, density=0.3),
    ],
    (4, 4, 2),
)
INPUTS = networks.inputs(RNG, NETWORK, 2, 0.5)


def test_it_does_as_verilator_does() -> None:
    """Neither depends on how a simulator begins, in which order it evaluates, or what it makes of X."""
    runs = [cosim(NETWORK, INPUTS, config=SMALL, energy=False, stall=20, simulator=name) for name in ("verilator", "icarus")]
    for run in runs:
        assert run.bit_exact, run.mismatch
    assert runs[0].cycles == runs[1].cycles and runs[0].layers == runs[1].layers


def test_it_counts_no_activity() -> None:
    with pytest.raises(SimError, match="energy: Icarus counts no activity"):
        cosim(NETWORK, INPUTS, config=SMALL, simulator="icarus")


def test_a_missing_icarus_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(icarus.shutil, "which", lambda tool: None)
    with pytest.raises(BuildError, match=r"iverilog is not installed; install Icarus Verilog 11 or later \(package iverilog\)"):
        icarus.build_icarus("module quiesce(output m_axi_wdata, output m_axi_araddr, output m_axi_arid);\nendmodule\n")
