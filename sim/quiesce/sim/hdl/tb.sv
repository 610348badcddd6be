// Bench top: the core, the memory on its AXI4 port and the host on its AXI4-Lite port. Python drives the inputs and sleeps from
// `start` to `done`; the main program toggles the clock.
`ifndef QUIESCE_MARK
`define QUIESCE_MARK 9'd0
`endif
module tb #(
    parameter int DATA_WIDTH = 64,
    parameter int ADDR_WIDTH = 32,
    parameter int ID_WIDTH = 1
) (
    input  logic        clk,
    input  logic        rst,
    input  logic        start,
    input  logic [15:0] latency,
    input  logic [7:0]  gap,
    input  logic [7:0]  stall,
    input  logic [31:0] seed,
    input  logic [47:0] limit,
    output logic        done,
    output logic        timeout,
    output logic [9:0]  fault,
    output logic        waiting,  // the core has been started, the interrupt has not come
    output logic [8:0]  mark  // bit 8: the counters move to a layer's set; bits 7:0: which
);
    wire                    irq;
    wire [ID_WIDTH-1:0]     m_axi_awid, m_axi_bid, m_axi_arid, m_axi_rid;
    wire [ADDR_WIDTH-1:0]   m_axi_awaddr, m_axi_araddr;
    wire [7:0]              m_axi_awlen, m_axi_arlen;
    wire [2:0]              m_axi_awsize, m_axi_arsize, m_axi_awprot, m_axi_arprot;
    wire [1:0]              m_axi_awburst, m_axi_arburst, m_axi_bresp, m_axi_rresp;
    wire [3:0]              m_axi_awcache, m_axi_arcache, m_axi_awqos, m_axi_arqos;
    wire                    m_axi_awlock, m_axi_arlock;
    wire                    m_axi_awvalid, m_axi_awready, m_axi_wvalid, m_axi_wready, m_axi_bvalid, m_axi_bready;
    wire                    m_axi_arvalid, m_axi_arready, m_axi_rvalid, m_axi_rready, m_axi_wlast, m_axi_rlast;
    wire [DATA_WIDTH-1:0]   m_axi_wdata, m_axi_rdata;
    wire [DATA_WIDTH/8-1:0] m_axi_wstrb;
    wire [11:0]             s_axil_awaddr, s_axil_araddr;
    wire [2:0]              s_axil_awprot = 3'b0, s_axil_arprot = 3'b0;
    wire [31:0]             s_axil_wdata, s_axil_rdata;
    wire [3:0]              s_axil_wstrb = 4'hf;
    wire [1:0]              s_axil_bresp, s_axil_rresp;
    wire                    s_axil_awvalid, s_axil_awready, s_axil_wvalid, s_axil_wready, s_axil_bvalid, s_axil_bready;
    wire                    s_axil_arvalid, s_axil_arready, s_axil_rvalid, s_axil_rready;

    // Registered, so that the simulator need not work out, on every edge, what follows from a changed input.
    logic core_rst;
    always_ff @(posedge clk) core_rst <= rst;
    quiesce dut (.rst(core_rst), .*);

    axi_memory #(.DATA_WIDTH(DATA_WIDTH), .ADDR_WIDTH(ADDR_WIDTH), .ID_WIDTH(ID_WIDTH)) memory (
        .clk, .rst, .start, .latency, .gap, .stall, .seed, .fault(fault[8:0]),
        .awid(m_axi_awid), .awaddr(m_axi_awaddr), .awlen(m_axi_awlen), .awsize(m_axi_awsize), .awburst(m_axi_awburst),
        .awvalid(m_axi_awvalid), .awready(m_axi_awready),
        .wdata(m_axi_wdata), .wstrb(m_axi_wstrb), .wlast(m_axi_wlast), .wvalid(m_axi_wvalid), .wready(m_axi_wready),
        .bid(m_axi_bid), .bresp(m_axi_bresp), .bvalid(m_axi_bvalid), .bready(m_axi_bready),
        .arid(m_axi_arid), .araddr(m_axi_araddr), .arlen(m_axi_arlen), .arsize(m_axi_arsize), .arburst(m_axi_arburst),
        .arvalid(m_axi_arvalid), .arready(m_axi_arready),
        .rid(m_axi_rid), .rdata(m_axi_rdata), .rresp(m_axi_rresp), .rlast(m_axi_rlast),
        .rvalid(m_axi_rvalid), .rready(m_axi_rready)
    );

    axil_host host (
        .clk, .rst, .start, .irq, .limit, .waiting, .done, .timeout, .fault(fault[9]),
        .awaddr(s_axil_awaddr), .awvalid(s_axil_awvalid), .awready(s_axil_awready),
        .wdata(s_axil_wdata), .wvalid(s_axil_wvalid), .wready(s_axil_wready),
        .bresp(s_axil_bresp), .bvalid(s_axil_bvalid), .bready(s_axil_bready),
        .araddr(s_axil_araddr), .arvalid(s_axil_arvalid), .arready(s_axil_arready),
        .rdata(s_axil_rdata), .rresp(s_axil_rresp), .rvalid(s_axil_rvalid), .rready(s_axil_rready)
    );

    assign mark = `QUIESCE_MARK;
`ifdef QUIESCE_COVERS
    `include "covers.svh"
`endif

    // Not looked at by the memory model: it knows one kind of memory and one priority.
    wire unused = &{1'b0, m_axi_awlock, m_axi_awcache, m_axi_awprot, m_axi_awqos,
                    m_axi_arlock, m_axi_arcache, m_axi_arprot, m_axi_arqos};
endmodule
