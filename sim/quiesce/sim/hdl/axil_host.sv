// AXI4-Lite manager that executes a script of register accesses pulled from the bench (bench.h) between `start` and `done`.
//
// A script is a list of (kind, address, data): WRITE a register; READ one and report it; WAIT for the interrupt and report when the
// last WRITE began and when the interrupt came, in cycles from `start`; PAUSE for `data` cycles; END. While it waits, the host reads register `address` of
// the WAIT every 65,536 cycles and reports it as progress.
module axil_host (
    input  logic        clk,
    input  logic        rst,
    input  logic        start,
    input  logic        irq,
    input  logic [47:0] limit,    // cycles from `start` after which the host gives up; 0 is never
    output logic        waiting,
    output logic        done,
    output logic        timeout,
    output logic        fault,    // an access was answered with an error
    output logic [11:0] awaddr,
    output logic        awvalid,
    input  logic        awready,
    output logic [31:0] wdata,
    output logic        wvalid,
    input  logic        wready,
    input  logic [1:0]  bresp,
    input  logic        bvalid,
    output logic        bready,
    output logic [11:0] araddr,
    output logic        arvalid,
    input  logic        arready,
    input  logic [31:0] rdata,
    input  logic [1:0]  rresp,
    input  logic        rvalid,
    output logic        rready
);
`ifdef __ICARUS__  // knows no DPI: icarus_vpi.cpp has the same functions as system tasks
    task automatic sim_host_next(output int unsigned kind, output int unsigned addr, output int unsigned data);
        $sim_host_next(kind, addr, data);
    endtask
    task automatic sim_host_result(input logic [63:0] value);
        $sim_host_result(value);
    endtask
    task automatic sim_host_progress(input logic [31:0] value);
        $sim_host_progress(value);
    endtask
`else
    import "DPI-C" function void sim_host_next(output int unsigned kind, output int unsigned addr, output int unsigned data);
    import "DPI-C" function void sim_host_result(input longint unsigned value);
    import "DPI-C" function void sim_host_progress(input int unsigned value);
`endif

    typedef enum logic [2:0] {IDLE, FETCH, WRITE, READ, WAIT, POLL, PAUSE, FINISH} state_t;
    typedef enum logic [31:0] {OP_END, OP_WRITE, OP_READ, OP_WAIT, OP_PAUSE} op_t;

    state_t state;
    logic [47:0] cycle, since;  // cycles from `start`; the cycle in which the last WRITE began
    logic [15:0] patience;
    int unsigned kind, addr, data, pause;

    assign waiting = state == WAIT || state == POLL;
    assign done = state == FINISH;
    assign bready = 1'b1;
    assign rready = 1'b1;

    always @(posedge clk) begin
        cycle <= cycle + 1;
        if (awvalid && awready) awvalid <= 1'b0;
        if (wvalid && wready) wvalid <= 1'b0;
        if (arvalid && arready) arvalid <= 1'b0;
        if (bvalid && bresp != 0 || rvalid && rresp != 0) fault <= 1'b1;

        if (!rst) case (state)  // before the reset it may be in any state, and is not to report anything
            IDLE: if (start) begin
                state <= FETCH;
                cycle <= 0;
            end
            FETCH: begin
                sim_host_next(kind, addr, data);
                awaddr <= addr[11:0];
                araddr <= addr[11:0];
                wdata <= data;
                patience <= 0;
                case (kind)
                    OP_WRITE: begin
                        state <= WRITE;
                        {awvalid, wvalid} <= 2'b11;
                        since <= cycle;
                    end
                    OP_READ: begin
                        state <= READ;
                        arvalid <= 1'b1;
                    end
                    OP_WAIT: state <= WAIT;
                    OP_PAUSE: begin
                        state <= PAUSE;
                        pause <= data;
                    end
                    default: state <= FINISH;
                endcase
            end
            WRITE: if (bvalid) state <= FETCH;
            READ: if (rvalid) begin
                sim_host_result(64'(rdata));
                state <= FETCH;
            end
            WAIT: begin
                patience <= patience + 1;
                if (irq) begin
                    sim_host_result(64'(since));
                    sim_host_result(64'(cycle));
                    state <= FETCH;
                end else if (&patience) begin
                    arvalid <= 1'b1;
                    state <= POLL;
                end
            end
            POLL: if (rvalid) begin
                sim_host_progress(rdata);
                state <= WAIT;
            end
            PAUSE: begin
                pause <= pause - 1;
                if (pause <= 1) state <= FETCH;
            end
            default: if (!start) state <= IDLE;
        endcase

        if (limit != 0 && cycle >= limit && state != IDLE && state != FINISH) begin
            timeout <= 1'b1;
            state <= FINISH;
        end
        if (rst) begin
            state <= IDLE;
            {awvalid, wvalid, arvalid, timeout, fault} <= '0;
        end
    end
endmodule
