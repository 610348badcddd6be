"""The floor: energy of a bare int8 multiplier and accumulator in the same library, measured like a core's netlist."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quiesce.sim.gates.analysis.flat import flatten
from quiesce.sim.gates.liberty.library import Library
from quiesce.sim.gates.replay.power import PARTS, PowerModel
from quiesce.sim.gates.replay.recording import Recording
from quiesce.sim.gates.replay.replay import ReplayRun, replay
from quiesce.sim.gates.synth.synthesis import synthesize

__all__ = ["FLOOR_BITS", "Floor", "measure_floor"]

FLOOR_BITS = 24
"""Of the accumulator."""
_RESET = 2

_VERILOG = f"""\
module floor (
  input clk, input rst, input signed [7:0] value, input signed [7:0] weight, output reg signed [{FLOOR_BITS - 1}:0] sum
);
  always @(posedge clk)
    if (rst) sum <= 0;
    else sum <= sum + value * weight;
endmodule
"""


@dataclass(frozen=True)
class Floor:
    """pJ for each multiplication, one a cycle; area in um2."""

    logic_pj: float
    clock_pj: float
    cells: int
    area: float

    @property
    def picojoules(self) -> float:
        return self.logic_pj + self.clock_pj


def measure_floor(
    library: Library, values: npt.NDArray[np.int8], weights: npt.NDArray[np.int8], glitches: float = 1.0
) -> Floor:  # fmt: skip
    """Accumulate products of pairs of operands, (N,) each, one pair a cycle.

    Raises
    ------
    NetlistError
        The netlist computes something else.
    """
    done = synthesize(_VERILOG, library, "floor")
    flat = flatten(done.netlist, library, done.rams)
    quiet = np.zeros(_RESET, np.int8)
    operands = {"value": np.concatenate([quiet, values]), "weight": np.concatenate([quiet, weights])}
    products = operands["value"].astype(np.int64) * operands["weight"]
    sums = np.concatenate([[0], np.cumsum(products)[:-1]])
    reset = np.arange(len(sums)) < _RESET

    def bits(numbers: npt.NDArray[np.integer], width: int) -> npt.NDArray[np.bool_]:
        return (numbers.astype(np.int64)[:, None] >> np.arange(width) & 1).astype(bool)

    inputs = {"rst": reset[:, None], **{name: bits(numbers, 8) for name, numbers in operands.items()}}
    recording = Recording(inputs, {"sum": bits(sums, FLOOR_BITS)}, ())
    activity = replay(flat, [ReplayRun(recording, ((_RESET + 1, len(sums)),))])
    energy = PowerModel(flat, activity, glitches).energy(activity, 0.0).sum(axis=(0, 2)) / (len(values) - 1)
    parts = dict(zip(PARTS, map(float, energy), strict=True))
    return Floor(parts["logic"], parts["clock"], len(flat.cells), sum(cell.cell.area for cell in flat.cells))
