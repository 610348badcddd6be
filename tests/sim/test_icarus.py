"""The bench on a second simulator: same outputs, same cycles."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from quiesce.sim import cosim, icarus
from quiesce.sim.core_text import core_text
from quiesce.sim.errors import BuildError, SimError
from quiesce.sim.flow import RunOptions, deploy
from quiesce.sim.job import Bus, run_job
from quiesce.sw import reference
from tests import networks
from tests.sim.cores import SMALL

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
    options = [RunOptions(bus=Bus(stall=20), energy=False, simulator=name) for name in ("verilator", "icarus")]
    runs = [cosim(NETWORK, INPUTS, config=SMALL, options=one) for one in options]
    for run in runs:
        assert run.bit_exact, run.mismatch
    assert runs[0].cycles == runs[1].cycles and runs[0].layers == runs[1].layers


def test_rams_may_be_macros(tmp_path: Path) -> None:
    """Nobody looks at what a RAM that is not transparent returns for a word that is written in the same cycle."""
    config = replace(SMALL, winner_depth=64)
    read = "_0_ <= words[read_addr];"
    worse = "_0_ <= |write_en && read_addr == write_addr ? ~words[read_addr] : words[read_addr];"

    def spoil(ram: re.Match[str]) -> str:
        assert ram[0].count(read) == 1
        return ram[0].replace(read, worse)

    rams = r"(?ms)^module quiesce_ram_\d+x\d+(?!\w*transparent)\w*\(.*?^endmodule"
    verilog, n_rams = re.subn(rams, spoil, core_text(config).verilog)
    assert n_rams > 5
    deployment = deploy(NETWORK, INPUTS, config, RunOptions(bus=Bus(latency=5)))
    result = run_job(icarus.build_icarus(verilog), deployment.job(), tmp_path)
    np.testing.assert_array_equal(deployment.outputs(result.memory), reference.run(NETWORK, INPUTS).outputs)


def test_it_counts_no_activity() -> None:
    with pytest.raises(SimError, match="energy: Icarus counts no activity"):
        RunOptions(simulator="icarus")


def test_a_missing_icarus_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(icarus.shutil, "which", lambda tool: None)
    with pytest.raises(BuildError, match=r"iverilog is not installed; install Icarus Verilog 11 or later \(package iverilog\)"):
        icarus.build_icarus("module quiesce(output m_axi_wdata, output m_axi_araddr, output m_axi_arid);\nendmodule\n")
