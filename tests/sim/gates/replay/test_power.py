"""Energy of a netlist, against sums by hand with the library of ``tests.sim.gates.cells``."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from quiesce.sim.gates.analysis.flat import Flat, flatten
from quiesce.sim.gates.liberty.reader import read_library
from quiesce.sim.gates.replay.power import PARTS, PowerModel
from quiesce.sim.gates.replay.recording import Recording
from quiesce.sim.gates.replay.replay import NetlistActivity, ReplayRun, replay
from quiesce.sim.gates.synth.synthesis import SynthesisOptions, synthesize
from tests.sim.gates.cells import liberty, write_liberty
from tests.sim.gates.design import DESIGN, recording

CHAIN = """\
module top (input clk, input rst, input a, output reg y);
  reg x;
  always @(posedge clk) begin x <= a; y <= !x; end
endmodule
"""


def _chain(path: Path, cycles: int = 50) -> tuple[Flat, NetlistActivity, int, int]:
    """The chain on random bits, and how often its first register and its output change."""
    library = read_library(path)
    done = synthesize(CHAIN, library, "top")
    flat = flatten(done.netlist, library, done.rams)
    a = np.random.default_rng(1).integers(0, 2, cycles).astype(bool)
    x = np.concatenate([[False], a[:-1]])
    y = np.concatenate([[False], ~x[:-1]])
    rst = np.zeros(cycles, bool)
    run = Recording({"rst": rst[:, None], "a": a[:, None]}, {"y": y[:, None]}, ())
    activity = replay(flat, [ReplayRun(run, ((10, cycles),))])
    changes = [int((bits[10:] != bits[9:-1]).sum()) for bits in (x, y)]
    return flat, activity, *changes


def _by_path(model: PowerModel, activity: NetlistActivity, period_ns: float) -> dict[str, dict[str, float]]:
    """pJ by module path and part, of the only run."""
    energy = model.energy(activity, period_ns)[:, :, 0]
    return {path: dict(zip(PARTS, parts, strict=True)) for path, parts in zip(model.paths, energy.tolist(), strict=True)}


def test_a_chain_by_hand(tmp_path: Path) -> None:
    flat, activity, x, y = _chain(write_liberty(tmp_path))
    energy = _by_path(PowerModel(flat, activity), activity, period_ns=2.0)[""]
    # A register and an inverter drive a pin of 1 fF and a wire of 0.4 fF, the other register nothing; 1.5 fJ inside of each.
    assert energy["logic"] == pytest.approx((2 * x * (1.5 + 0.7) + y * 1.5) / 1000)
    # Inside of a clock pin (3 + 5) / 2 and 1 fJ, its capacitance 1 fJ, and the wire to both.
    assert energy["clock"] == pytest.approx(40 * (2 * (4 + 1 + 1) + 0.8) / 1000)
    assert energy["leakage"] == pytest.approx((20 + 20 + 5) * 40 * 2.0 * 1e-6)


def test_glitches_are_a_factor_on_logic(tmp_path: Path) -> None:
    flat, activity, x, y = _chain(write_liberty(tmp_path))
    energy = _by_path(PowerModel(flat, activity, glitches=1.8), activity, period_ns=2.0)[""]
    assert energy["logic"] == pytest.approx((x * 2.2 + 1.8 * x * 2.2 + y * 1.5) / 1000)


def test_an_edge_that_changes_the_output_has_an_energy_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "states.lib"
    path.write_text(liberty().replace('when : "D"', 'when : "D & !Q"').replace('when : "!D"', 'when : "D & Q"'))
    flat, activity, x, y = _chain(path)
    energy = _by_path(PowerModel(flat, activity), activity, period_ns=2.0)[""]
    edges = 40 * 2 * (5 + 1 + 1) + (x + y) * (3 - 5)
    assert energy["clock"] == pytest.approx((edges + 40 * 0.8) / 1000)


def test_gated_clocks_cost_less_when_idle(tmp_path: Path) -> None:
    library = read_library(write_liberty(tmp_path))
    run = recording(3, 400)
    quiet = {name: np.zeros_like(run.inputs[name]) for name in ("en", "a")}
    idle = replace(run, inputs=run.inputs | quiet, outputs={name: np.zeros_like(bits) for name, bits in run.outputs.items()})
    clocks = {}
    for gates in (True, False):
        done = synthesize(DESIGN, library, "top", SynthesisOptions(clock_gates=gates))
        flat = flatten(done.netlist, library, done.rams)
        for name, one in (("busy", run), ("idle", idle)):
            activity = replay(flat, [ReplayRun(one, ((10, 400),))])
            energy = _by_path(PowerModel(flat, activity), activity, period_ns=1.0)
            clocks[gates, name] = sum(parts["clock"] for parts in energy.values())
            assert set(energy) == {"", "one", "two"}
    assert clocks[True, "idle"] < clocks[True, "busy"] < 0.5 * clocks[False, "busy"]
    assert clocks[False, "idle"] == pytest.approx(clocks[False, "busy"])
