"""A small design for the gate-level tests: two equal adders with registers, a FIFO's storage and a RAM."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from quiesce.sim.gates.replay.recording import Recording

DESIGN = """\
module adder (input clk, input rst, input en, input [3:0] a, input [3:0] b, output reg [3:0] sum = 0);
  always @(posedge clk)
    if (rst) sum <= 0;
    else if (en) sum <= a + b;
endmodule

module top (
  input clk, input rst, input en, input [3:0] a, input [3:0] b, input [5:0] addr, output [3:0] y, output reg [31:0] q,
  output [7:0] held
);
  wire [3:0] first;
  adder one (.clk(clk), .rst(rst), .en(en), .a(a), .b(b), .sum(first));
  adder two (.clk(clk), .rst(rst), .en(1'b1), .a(first), .b(a), .sum(y));
  reg [31:0] big [63:0];
  reg [7:0] small [3:0];
  always @(posedge clk) begin
    if (en) big[addr] <= {28'b0, y};
    q <= big[addr];
    if (en) small[addr[1:0]] <= {first, y};
  end
  assign held = small[addr[3:2]];
endmodule
"""


def simulate(stimulus: Sequence[Mapping[str, int]]) -> list[dict[str, int]]:
    """What the outputs of the design are at the end of each cycle, everything zero before."""
    one = two = q = 0
    big, small = [0] * 64, [0] * 4
    outputs = []
    for now in stimulus:
        outputs.append({"y": two, "q": q, "held": small[now["addr"] >> 2 & 3]})
        rst, en = now["rst"], now["en"]
        q, kept = big[now["addr"]], small[now["addr"] & 3]
        if en:
            big[now["addr"]] = two
        small[now["addr"] & 3] = one << 4 | two if en else kept
        following = 0 if rst else (now["a"] + now["b"]) % 16 if en else one
        two = 0 if rst else (one + now["a"]) % 16
        one = following
    return outputs


def recording(seed: int, cycles: int) -> Recording:
    """Random inputs after two cycles of reset, and the right outputs."""
    rng = np.random.default_rng(seed)
    widths = {"rst": 1, "en": 1, "a": 4, "b": 4, "addr": 6}
    stimulus = [{name: int(rng.integers(1 << width)) for name, width in widths.items()} for _ in range(cycles)]
    for cycle, now in enumerate(stimulus):
        now["rst"] = int(cycle < 2 or cycle == cycles // 2)
    outputs = simulate(stimulus)

    def bits(rows: Sequence[Mapping[str, int]], name: str, width: int) -> npt.NDArray[np.bool_]:
        return np.array([[row[name] >> bit & 1 for bit in range(width)] for row in rows], bool)

    return Recording(
        {name: bits(stimulus, name, width) for name, width in widths.items()},
        {name: bits(outputs, name, width) for name, width in {"y": 4, "q": 32, "held": 8}.items()},
        (),
    )
