// The clock of the bench: time, edges and the observers of a rising edge.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "Vtop.h"
#include "bench.h"
#include "verilated.h"
#if QUIESCE_TOGGLES
#include "toggles.h"
#endif
#if VM_TRACE
#include "verilated_saif_c.h"
#endif

class Clocking {
public:
    static constexpr uint64_t HALF_PERIOD_PS = 500;

    Clocking(VerilatedContext& context, Vtop& top) : context_(context), top_(top) {
#if VM_TRACE
        top_.trace(&tracer_, 99);
#endif
    }

    uint64_t next_edge() const { return next_edge_; }
    bool running() const { return top_.start && !top_.done; }

    // Time becomes the next edge's; the caller evaluates the design and, after a rising edge, calls sample().
    void edge() {
        context_.time(next_edge_);
        next_edge_ += HALF_PERIOD_PS;
        top_.clk = !top_.clk;
    }

    // Clock the design until it is done or `deadline` (ps) is near, and nothing else can happen in between.
    void run(uint64_t deadline) {
        const auto begin = std::chrono::steady_clock::now();
        uint64_t cycles = 0;
        while (running() && next_edge_ < deadline) {
            edge();
            top_.eval();
            if (top_.clk) {
                ++cycles;
                sample();
            }
        }
        sim_stats_add(cycles, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }

    void sample() {
        ++cycle_;
#if QUIESCE_TOGGLES
        if (toggles_.counting()) toggles_.sample();
        else if (!toggles_path_.empty() && top_.waiting) toggles_.start();
#endif
        const unsigned mark = top_.mark;
        if (mark & FLUSH) flush(static_cast<uint8_t>(mark));
#if VM_TRACE
        if (tracer_.isOpen()) dump();
        else if (!prefix_.empty() && top_.waiting) open_window();
#endif
    }

    // A new run begins. The layers that the last one flushed are what this one will flush if it repeats a part of it.
    void rewind() {
        expected_.swap(flushed_);
        flushed_.clear();
        table_.clear();
        cycle_ = 0;
    }

    // Cycles after the last flush belong to no layer.
    void finish() {
#if QUIESCE_TOGGLES
        if (toggles_.counting()) toggles_.write(toggles_path_);
#endif
#if VM_TRACE
        tracer_.close();
#endif
    }

    void toggles(const char* path) { toggles_path_ = path ? path : ""; }
    void windows(const char* prefix) { prefix_ = prefix ? prefix : ""; }
    const std::vector<uint64_t>& table() const { return table_; }

private:
    static constexpr unsigned FLUSH = 256;  // bit of `mark`; those below it are the layer

    // What was counted so far belongs to `layer`. Its window stays open if the next stretch is that layer's, too.
    void flush(uint8_t layer) {
        flushed_.push_back(layer);
#if QUIESCE_TOGGLES
        if (toggles_.counting()) toggles_.flush(layer);
#endif
#if VM_TRACE
        if (!tracer_.isOpen()) return;
        const size_t next = flushed_.size();
        if (next < expected_.size() && expected_[next] == layer) return;
        dump();  // toggles at the boundary belong to the window that ends
        tracer_.close();
        table_.push_back(layer);
        table_.push_back(cycle_ - opened_);
        open_window();
#endif
    }

#if VM_TRACE
    // Several dumps may fall on one point of time, which the tracer ignores: it gets a time that always moves on.
    void dump() { tracer_.dump(++dumps_); }

    void open(const std::string& path) {
        // Opened again, the tracer would go on with changes only and miss what was one before.
        struct Saif : VerilatedSaif {
            static void start_over(VerilatedSaif& saif) {
                (saif.*&Saif::fullDump)(true);
                (saif.*&Saif::constDump)(true);
            }
        };
        tracer_.open(path.c_str());
        Saif::start_over(*tracer_.spTrace());
        dump();
    }

    void open_window() {
        const std::string stem = prefix_ + "." + std::to_string(table_.size() / 2);
        // A file counts a toggle for each bit that is one when it opens: this first file holds just those.
        open(stem + ".open.saif");
        tracer_.close();
        open(stem + ".saif");
        opened_ = cycle_;
    }
#endif

    VerilatedContext& context_;
    Vtop& top_;
    uint64_t next_edge_ = HALF_PERIOD_PS;
    uint64_t cycle_ = 0, opened_ = 0, dumps_ = 0;
    std::string prefix_, toggles_path_;
    std::vector<uint8_t> flushed_, expected_;
    std::vector<uint64_t> table_;  // (layer, cycles) of each window
#if QUIESCE_TOGGLES
    Toggles toggles_{context_, "tb.dut"};
#endif
#if VM_TRACE
    VerilatedSaifC tracer_;
#endif
};
