"""A small design for the gate-level tests: two equal adders with registers, a FIFO's storage and a RAM."""

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
