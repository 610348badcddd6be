// A stand-in for the core: the same ports and registers; each item's "inference" reads 16 beats, adds one to every byte and
// writes them. Two layers are shown: reading and writing. The low bits of WATCHDOG make it break a rule of the bus:
// 1 WLAST a beat early, 2 read requests that are withdrawn, 3 reads of what was written, without waiting for the response.
module quiesce #(
    parameter int ADDR_WIDTH = 32
) (
    input  logic        clk,
    input  logic        rst,
    output logic        irq,
    output logic [0:0]  m_axi_awid,
    output logic [31:0] m_axi_awaddr,
    output logic [7:0]  m_axi_awlen,
    output logic [2:0]  m_axi_awsize,
    output logic [1:0]  m_axi_awburst,
    output logic        m_axi_awlock,
    output logic [3:0]  m_axi_awcache,
    output logic [2:0]  m_axi_awprot,
    output logic [3:0]  m_axi_awqos,
    output logic        m_axi_awvalid,
    input  logic        m_axi_awready,
    output logic [63:0] m_axi_wdata,
    output logic [7:0]  m_axi_wstrb,
    output logic        m_axi_wlast,
    output logic        m_axi_wvalid,
    input  logic        m_axi_wready,
    input  logic [0:0]  m_axi_bid,
    input  logic [1:0]  m_axi_bresp,
    input  logic        m_axi_bvalid,
    output logic        m_axi_bready,
    output logic [0:0]  m_axi_arid,
    output logic [31:0] m_axi_araddr,
    output logic [7:0]  m_axi_arlen,
    output logic [2:0]  m_axi_arsize,
    output logic [1:0]  m_axi_arburst,
    output logic        m_axi_arlock,
    output logic [3:0]  m_axi_arcache,
    output logic [2:0]  m_axi_arprot,
    output logic [3:0]  m_axi_arqos,
    output logic        m_axi_arvalid,
    input  logic        m_axi_arready,
    input  logic [0:0]  m_axi_rid,
    input  logic [63:0] m_axi_rdata,
    input  logic [1:0]  m_axi_rresp,
    input  logic        m_axi_rlast,
    input  logic        m_axi_rvalid,
    output logic        m_axi_rready,
    input  logic [11:0] s_axil_awaddr,
    input  logic [2:0]  s_axil_awprot,
    input  logic        s_axil_awvalid,
    output logic        s_axil_awready,
    input  logic [31:0] s_axil_wdata,
    input  logic [3:0]  s_axil_wstrb,
    input  logic        s_axil_wvalid,
    output logic        s_axil_wready,
    output logic [1:0]  s_axil_bresp,
    output logic        s_axil_bvalid,
    input  logic        s_axil_bready,
    input  logic [11:0] s_axil_araddr,
    input  logic [2:0]  s_axil_arprot,
    input  logic        s_axil_arvalid,
    output logic        s_axil_arready,
    output logic [31:0] s_axil_rdata,
    output logic [1:0]  s_axil_rresp,
    output logic        s_axil_rvalid,
    input  logic        s_axil_rready
);
    localparam int BEATS = 16;
    // verilator lint_off UNUSEDSIGNAL
    typedef enum logic [2:0] {IDLE, ADDRESS, READ, WRITE, RESPONSE, DONE, FAIL} state_t;
    state_t state;
    logic [31:0] registers[32];  // word addressed up to 0x7c
    logic [31:0] item, cycles;
    logic [63:0] buffer[BEATS];
    logic [4:0] beat;
    logic aw_sent;

    // Registers: one access at a time, write address and data together.
    wire write = s_axil_awvalid && s_axil_wvalid && !s_axil_bvalid;
    assign s_axil_awready = write;
    assign s_axil_wready = write;
    assign s_axil_bresp = 2'b00;
    assign s_axil_rresp = 2'b00;
    wire read = s_axil_arvalid && !s_axil_rvalid;
    assign s_axil_arready = read;
    wire start = write && s_axil_awaddr == 12'h008 && s_axil_wdata[0];

    always_ff @(posedge clk) begin
        if (s_axil_bvalid && s_axil_bready) s_axil_bvalid <= 1'b0;
        if (s_axil_rvalid && s_axil_rready) s_axil_rvalid <= 1'b0;
        if (write) begin
            registers[s_axil_awaddr[6:2]] <= s_axil_wdata;
            s_axil_bvalid <= 1'b1;
            if (s_axil_awaddr == 12'h014 && s_axil_wdata != 0) irq <= 1'b0;
        end
        if (read) begin
            s_axil_rvalid <= 1'b1;
            case (s_axil_araddr)
                12'h000: s_axil_rdata <= 32'h51554902;
                12'h00c: s_axil_rdata <= {29'b0, state == FAIL, state == DONE, state != IDLE && state != DONE && state != FAIL};
                12'h018: s_axil_rdata <= state == FAIL ? 32'd2 : 32'd0;
                12'h03c: s_axil_rdata <= registers[14] == 32'd0 ? cycles : registers[14];
                12'h040: s_axil_rdata <= 32'd0;
                12'h044: s_axil_rdata <= item;
                default: s_axil_rdata <= registers[s_axil_araddr[6:2]];
            endcase
        end
        if (state != DONE && next == DONE || state != FAIL && next == FAIL) irq <= 1'b1;
        if (rst) {s_axil_bvalid, s_axil_rvalid, irq} <= '0;
    end

    // Region 2 is the input, 3 the output; the strides are in 0x30 and 0x34.
    wire [1:0] broken = registers[9][1:0];
    assign m_axi_araddr = (broken == 3 && item != 0 ? registers[5'h1e] - registers[13] : registers[5'h1c]) + item * registers[12];
    assign m_axi_awaddr = registers[5'h1e] + item * registers[13];
    assign {m_axi_arid, m_axi_awid, m_axi_arlock, m_axi_awlock} = '0;
    assign {m_axi_arprot, m_axi_awprot, m_axi_arqos, m_axi_awqos} = '0;
    assign m_axi_arcache = 4'b0011;
    assign m_axi_awcache = 4'b0011;
    assign m_axi_arlen = 8'(BEATS - 1);
    assign m_axi_awlen = 8'(BEATS - 1);
    assign m_axi_arsize = 3'd3;
    assign m_axi_awsize = 3'd3;
    assign m_axi_arburst = 2'b01;
    assign m_axi_awburst = 2'b01;
    assign m_axi_arvalid = state == ADDRESS && !(broken == 2 && cycles[0]);
    assign m_axi_rready = state == READ;
    assign m_axi_awvalid = state == WRITE && !aw_sent;
    assign m_axi_wvalid = state == WRITE && beat != BEATS;
    assign m_axi_wdata = buffer[beat[3:0]];
    assign m_axi_wstrb = 8'hff;
    wire last_beat = beat == BEATS - 1;
    assign m_axi_wlast = broken == 1 ? beat == BEATS - 2 : last_beat;
    assign m_axi_bready = state == RESPONSE || broken == 3;

    wire last_item = item + 1 == registers[8];
    state_t next;
    always_comb begin
        next = state;
        case (state)
            ADDRESS: if (m_axi_arvalid && m_axi_arready) next = READ;
            READ: if (m_axi_rvalid) next = m_axi_rresp != 0 ? FAIL : m_axi_rlast ? WRITE : READ;
            WRITE: if ((aw_sent || m_axi_awready) && (beat == BEATS || m_axi_wready && last_beat)) next = RESPONSE;
            RESPONSE: if (m_axi_bvalid || broken == 3) next = m_axi_bresp != 0 ? FAIL : last_item ? DONE : ADDRESS;
            default: if (start) next = ADDRESS;
        endcase
    end

    always_ff @(posedge clk) begin
        state <= next;
        if (state != IDLE && state != DONE && state != FAIL) cycles <= cycles + 1;
        case (state)
            ADDRESS: beat <= '0;
            READ: if (m_axi_rvalid) begin
                for (int byte_ = 0; byte_ < 8; byte_++) buffer[beat[3:0]][8*byte_ +: 8] <= m_axi_rdata[8*byte_ +: 8] + 8'd1;
                beat <= next == WRITE ? '0 : beat + 1;
                aw_sent <= 1'b0;
            end
            WRITE: begin
                if (m_axi_awready) aw_sent <= 1'b1;
                if (m_axi_wvalid && m_axi_wready) beat <= beat + 1;
            end
            RESPONSE: if (next != RESPONSE) item <= item + 1;
            default: if (start) {item, cycles} <= '0;
        endcase
        if (rst) begin
            state <= IDLE;
            {item, cycles, beat, aw_sent} <= '0;
        end
    end
    // What the real core does when it moves its counters: reading is layer 0, writing layer 1.
    wire [8:0] mark = {state == READ && next == WRITE || state == RESPONSE && next != RESPONSE, 8'(state == RESPONSE)};
endmodule
