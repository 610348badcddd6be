// AXI4 subordinate backed by the bench's memory (bench.h): in-order responses after a fixed latency, one beat a cycle.
//
// Reads and writes proceed independently. An access outside the memory is answered with DECERR. `fault` collects, sticky,
// what a well-behaved manager never does; each bit has a name in sim/quiesce/sim/job.py (Fault).
module axi_memory #(
    parameter int DATA_WIDTH = 64,
    parameter int ADDR_WIDTH = 32,
    parameter int ID_WIDTH = 1
) (
    input  logic                    clk,
    input  logic                    rst,
    input  logic                    start,    // the random stalls begin with it, so that a run repeats exactly
    input  logic [15:0]             latency,  // cycles from the address (or last write beat) to the response
    input  logic [7:0]              gap,      // idle cycles after each data beat: bandwidth is 1 / (gap + 1) beats per cycle
    input  logic [7:0]              stall,    // each channel is held back in stall/256 of the cycles
    input  logic [31:0]             seed,     // of the random stalls; not zero
    output logic [8:0]              fault,
    input  logic [ID_WIDTH-1:0]     awid,
    input  logic [ADDR_WIDTH-1:0]   awaddr,
    input  logic [7:0]              awlen,
    input  logic [2:0]              awsize,
    input  logic [1:0]              awburst,
    input  logic                    awvalid,
    output logic                    awready,
    input  logic [DATA_WIDTH-1:0]   wdata,
    input  logic [DATA_WIDTH/8-1:0] wstrb,
    input  logic                    wlast,
    input  logic                    wvalid,
    output logic                    wready,
    output logic [ID_WIDTH-1:0]     bid,
    output logic [1:0]              bresp,
    output logic                    bvalid,
    input  logic                    bready,
    input  logic [ID_WIDTH-1:0]     arid,
    input  logic [ADDR_WIDTH-1:0]   araddr,
    input  logic [7:0]              arlen,
    input  logic [2:0]              arsize,
    input  logic [1:0]              arburst,
    input  logic                    arvalid,
    output logic                    arready,
    output logic [ID_WIDTH-1:0]     rid,
    output logic [DATA_WIDTH-1:0]   rdata,
    output logic [1:0]              rresp,
    output logic                    rlast,
    output logic                    rvalid,
    input  logic                    rready
);
`ifdef __ICARUS__  // knows no DPI: icarus_vpi.cpp has the same functions as system tasks
    function automatic logic [63:0] sim_memory_size();
        logic [63:0] size;
        $sim_memory_size(size);
        sim_memory_size = size;
    endfunction
    function automatic logic [63:0] sim_memory_read(input logic [63:0] addr);
        logic [63:0] word;
        $sim_memory_read(addr, word);
        sim_memory_read = word;
    endfunction
    task automatic sim_memory_write(input logic [63:0] addr, input logic [63:0] data, input logic [7:0] strobe);
        $sim_memory_write(addr, data, strobe);
    endtask
`else
    import "DPI-C" function longint unsigned sim_memory_size();
    import "DPI-C" function longint unsigned sim_memory_read(input longint unsigned addr);
    import "DPI-C" function void sim_memory_write(input longint unsigned addr, input longint unsigned data, input byte unsigned strobe);
`endif

`ifdef QUIESCE_FAULTS
    // Asked before each data beat (response = 0) and each write response: what to do wrong with it, see sim/quiesce/sim/hdl/faults_main.cpp.
    import "DPI-C" function int unsigned sim_bus_fault(input int unsigned response, input longint unsigned addr);
    import "DPI-C" function int unsigned sim_bus_delay();
`else
    function automatic int unsigned sim_bus_fault(input int unsigned response, input longint unsigned addr);
        sim_bus_fault = 0 & response & 32'(addr);
    endfunction
    function automatic int unsigned sim_bus_delay();
        sim_bus_delay = 0;
    endfunction
`endif
    typedef enum logic [31:0] {SOUND, ERROR, LOST, TWICE, LATE, LOST_BURST, SWAPPED} bus_fault_t;

    localparam int BEAT_BYTES = DATA_WIDTH / 8;
    localparam int BEAT_LOG2 = $clog2(BEAT_BYTES);
    localparam int DEPTH_LOG2 = 4;  // bursts in flight in each direction
    localparam int DEPTH = 1 << DEPTH_LOG2;
    localparam logic [1:0] OKAY = 2'b00, SLVERR = 2'b10, DECERR = 2'b11, INCR = 2'b01;

    typedef logic [DEPTH_LOG2:0] pointer_t;  // one bit more than an index, so that full and empty differ

    function automatic logic [DEPTH_LOG2-1:0] slot(input pointer_t pointer);
        slot = pointer[DEPTH_LOG2-1:0];
    endfunction

    function automatic logic [63:0] bytes(input logic [7:0] len);
        bytes = (64'(len) + 1) << BEAT_LOG2;
    endfunction

    function automatic logic mapped(input logic [ADDR_WIDTH-1:0] addr, input logic [7:0] len);
        mapped = 64'(addr) + bytes(len) <= sim_memory_size();
    endfunction

    function automatic logic crosses_page(input logic [ADDR_WIDTH-1:0] addr, input logic [7:0] len);
        crosses_page = 64'(addr[11:0]) + bytes(len) > 4096;
    endfunction

    function automatic logic supported(input logic [ADDR_WIDTH-1:0] addr, input logic [2:0] size, input logic [1:0] burst);
        supported = burst == INCR && size == 3'(BEAT_LOG2) && addr[BEAT_LOG2-1:0] == '0;
    endfunction

    logic [31:0] now, random;
    logic [4:0] held;  // {ar, r, aw, w, b}
    // From a register: the simulator works out, on every edge, what follows from an input that logic depends on.
    logic [7:0] threshold;
    always @(posedge clk) threshold <= stall;
    assign held = threshold == 0 ? 5'b0 : {
        random[7:0] < threshold, random[15:8] < threshold, random[23:16] < threshold, random[31:24] < threshold,
        random[19:12] < threshold
    };
    always @(posedge clk) begin
        now <= now + 1;
        if (!start) random <= seed | 32'(seed == 0);
        else if (stall != 0) random <= xorshift(random);
        if (rst) now <= 0;
    end

    function automatic logic [31:0] xorshift(input logic [31:0] value);
        logic [31:0] x;
        x = value ^ (value << 13);
        x = x ^ (x >> 17);
        xorshift = x ^ (x << 5);
    endfunction

    // Reads: a queue of bursts with the cycle from which each may be answered.
    logic [ID_WIDTH-1:0] read_id[DEPTH];
    logic [ADDR_WIDTH-1:0] read_addr[DEPTH];
    logic [7:0] read_len[DEPTH];
    logic read_mapped[DEPTH];
    logic [31:0] read_due[DEPTH];
    pointer_t read_head, read_tail;
    logic [7:0] read_beat, read_gap;
    int unsigned read_fault;
    wire [DEPTH_LOG2-1:0] read_slot = slot(read_head), read_next = slot(read_head + 1);
    assign arready = read_tail - read_head != pointer_t'(DEPTH) && !held[4];
    wire read_issue = read_head != read_tail && $signed(now + 1 - read_due[read_slot]) >= 0
                      && (!rvalid || rready) && read_gap == 0 && !held[3];

    always @(posedge clk) begin
        if (arvalid && arready) begin
            read_id[slot(read_tail)] <= arid;
            read_addr[slot(read_tail)] <= araddr;
            read_len[slot(read_tail)] <= arlen;
            read_mapped[slot(read_tail)] <= mapped(araddr, arlen);
            read_due[slot(read_tail)] <= now + 32'(latency);
            read_tail <= read_tail + 1;
        end
        if (rvalid && rready) rvalid <= 1'b0;
        if (read_gap != 0) read_gap <= read_gap - 1;
        if (read_issue && !rst) begin  // before the reset the address may be any
            read_fault = sim_bus_fault(0, 64'(read_addr[read_slot]) + (64'(read_beat) << BEAT_LOG2));
            for (int word = 0; word < DATA_WIDTH / 64; word++)
                rdata[64*word +: 64] <= read_mapped[read_slot] ?
                    sim_memory_read(64'(read_addr[read_slot]) + (64'(read_beat) << BEAT_LOG2) + 64'(8 * word)) : '0;
            rid <= read_id[read_slot];
            rresp <= !read_mapped[read_slot] ? DECERR : read_fault == ERROR ? SLVERR : OKAY;
            rlast <= read_beat == read_len[read_slot];
            rvalid <= read_fault < LOST || read_fault == TWICE;
            read_gap <= gap;
            if (read_fault < TWICE || read_fault == LOST_BURST) begin
                read_beat <= read_beat + 1;
                if (read_beat == read_len[read_slot] || read_fault == LOST_BURST) begin
                    read_beat <= 0;
                    read_head <= read_head + 1;
                end
            end
            if (read_fault == LATE) read_due[read_slot] <= now + sim_bus_delay();
            if (read_fault == SWAPPED && read_beat == 0 && read_tail - read_head > 1) begin
                read_id[read_slot] <= read_id[read_next];
                read_addr[read_slot] <= read_addr[read_next];
                read_len[read_slot] <= read_len[read_next];
                read_mapped[read_slot] <= read_mapped[read_next];
                read_id[read_next] <= read_id[read_slot];
                read_addr[read_next] <= read_addr[read_slot];
                read_len[read_next] <= read_len[read_slot];
                read_mapped[read_next] <= read_mapped[read_slot];
            end
        end
        if (rst) begin
            {read_head, read_tail, read_beat, read_gap} <= '0;
            rvalid <= 1'b0;
        end
    end

    // Writes: one ring; bursts from write_head on wait for their response, from write_data on for data.
    logic [ID_WIDTH-1:0] write_id[DEPTH];
    logic [ADDR_WIDTH-1:0] write_addr[DEPTH];
    logic [7:0] write_len[DEPTH];
    logic write_mapped[DEPTH];
    logic [31:0] write_due[DEPTH];
    pointer_t write_head, write_data, write_tail;
    logic [7:0] write_beat, write_gap;
    int unsigned write_fault;
    logic answer_again;
    wire [DEPTH_LOG2-1:0] write_slot = slot(write_data), answer_slot = slot(write_head), answer_next = slot(write_head + 1);
    assign awready = write_tail - write_head != pointer_t'(DEPTH) && !held[2];
    assign wready = write_data != write_tail && write_gap == 0 && !held[1];

    always @(posedge clk) begin
        if (awvalid && awready) begin
            write_id[slot(write_tail)] <= awid;
            write_addr[slot(write_tail)] <= awaddr;
            write_len[slot(write_tail)] <= awlen;
            write_mapped[slot(write_tail)] <= mapped(awaddr, awlen);
            write_tail <= write_tail + 1;
        end
        if (write_gap != 0) write_gap <= write_gap - 1;
        if (wvalid && wready && !rst) begin
            for (int word = 0; word < DATA_WIDTH / 64; word++)
                if (write_mapped[write_slot])
                    sim_memory_write(64'(write_addr[write_slot]) + (64'(write_beat) << BEAT_LOG2) + 64'(8 * word),
                                     wdata[64*word +: 64], wstrb[8*word +: 8]);
            write_gap <= gap;
            write_beat <= write_beat + 1;
            if (write_beat == write_len[write_slot]) begin
                write_beat <= 0;
                write_due[write_slot] <= now + 32'(latency);
                write_data <= write_data + 1;
            end
        end
        if (bvalid && bready) begin
            bvalid <= 1'b0;
            answer_again <= 1'b0;
            if (!answer_again) write_head <= write_head + 1;
        end else if (!bvalid && write_head != write_data && $signed(now + 1 - write_due[answer_slot]) >= 0 && !held[0]) begin
            write_fault = sim_bus_fault(1, 64'(write_addr[answer_slot]));
            bid <= write_id[answer_slot];
            bresp <= !write_mapped[answer_slot] ? DECERR : write_fault == ERROR ? SLVERR : OKAY;
            bvalid <= write_fault < LOST || write_fault == TWICE;
            answer_again <= write_fault == TWICE;
            if (write_fault == LOST || write_fault == LOST_BURST) write_head <= write_head + 1;
            if (write_fault == LATE) write_due[answer_slot] <= now + sim_bus_delay();
            if (write_fault == SWAPPED && write_data - write_head > 1) begin
                write_id[answer_slot] <= write_id[answer_next];
                write_id[answer_next] <= write_id[answer_slot];
            end
        end
        if (rst) begin
            {write_head, write_data, write_tail, write_beat, write_gap, answer_again} <= '0;
            bvalid <= 1'b0;
        end
    end

    // A read of bytes whose write has not been answered may see either value: the manager must wait.
    function automatic logic hazard(input logic [ADDR_WIDTH-1:0] addr, input logic [7:0] len);
        logic [DEPTH_LOG2-1:0] at;
        hazard = 1'b0;
        for (int i = 0; i < DEPTH; i++) begin
            at = slot(write_head + pointer_t'(i));
            if (pointer_t'(i) < write_tail - write_head
                && 64'(addr) < 64'(write_addr[at]) + bytes(write_len[at])
                && 64'(write_addr[at]) < 64'(addr) + bytes(len)) hazard = 1'b1;
        end
    endfunction

    logic ar_waits, aw_waits, w_waits;
    logic [ADDR_WIDTH+7:0] ar_offer, aw_offer;
    logic [DATA_WIDTH+DATA_WIDTH/8:0] w_offer;
    always @(posedge clk) begin
        ar_waits <= arvalid && !arready;
        aw_waits <= awvalid && !awready;
        w_waits <= wvalid && !wready;
        ar_offer <= {araddr, arlen};
        aw_offer <= {awaddr, awlen};
        w_offer <= {wdata, wstrb, wlast};
        if (arvalid && arready) begin
            fault[0] <= fault[0] | !supported(araddr, arsize, arburst);
            fault[1] <= fault[1] | crosses_page(araddr, arlen);
            fault[2] <= fault[2] | hazard(araddr, arlen);
        end
        if (awvalid && awready) begin
            fault[3] <= fault[3] | !supported(awaddr, awsize, awburst);
            fault[4] <= fault[4] | crosses_page(awaddr, awlen);
        end
        if (wvalid && wready) fault[5] <= fault[5] | (wlast != (write_beat == write_len[write_slot]));
        if (ar_waits) fault[6] <= fault[6] | !arvalid | (ar_offer != {araddr, arlen});
        if (aw_waits) fault[7] <= fault[7] | !awvalid | (aw_offer != {awaddr, awlen});
        if (w_waits) fault[8] <= fault[8] | !wvalid | (w_offer != {wdata, wstrb, wlast});
        if (rst) begin
            fault <= '0;
            {ar_waits, aw_waits, w_waits} <= '0;
        end
    end
endmodule
