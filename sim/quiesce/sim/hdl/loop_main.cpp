// The same bench without cocotb and VPI: it starts in milliseconds.
//     tb memory latency gap stall seed
// Runs scripts one after the other on one memory. Each is a line of standard input, of fields with tabs between them:
//     reset  limit  script  results  activity
// `reset` is 1 to begin from reset, 0 to go on with the core as the script before left it. For each it prints "cycles seconds timeout
// fault" once what its reads reported is written, as 64-bit little-endian words, and the activity, if a file is named for it.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "Vtop.h"
#include "clocking.h"
#include "verilated.h"

namespace {
struct Order {
    bool reset = false;
    uint64_t limit = 0;
    std::string script, results, activity;
};

bool read_order(const std::string& line, Order& order) {
    std::istringstream in{line};
    std::string reset, limit;
    const bool complete = std::getline(in, reset, '\t') && std::getline(in, limit, '\t') && std::getline(in, order.script, '\t') &&
                          std::getline(in, order.results, '\t');
    std::getline(in, order.activity, '\t');
    order.reset = reset == "1";
    order.limit = strtoull(limit.c_str(), nullptr, 10);
    return complete;
}

struct Bench {
    VerilatedContext context;
    Vtop top{&context, ""};
    Clocking clocking{context, top};

    void cycles(int n) {
        for (int i = 0; i < 2 * n; ++i) {
            clocking.edge();
            top.eval();
        }
    }

    // False if the results cannot be written.
    bool run(const Order& order) {
        std::ifstream file{order.script, std::ios::binary};
        const std::vector<char> text{std::istreambuf_iterator<char>{file}, {}};
        sim_script(reinterpret_cast<const uint32_t*>(text.data()), text.size() / 12);
        clocking.toggles(order.activity.empty() ? nullptr : order.activity.c_str());
        top.limit = order.limit;
        top.start = 0;
        if (order.reset) {
            top.rst = 1;
            cycles(4);
            top.rst = 0;
        }
        cycles(4);
        top.start = 1;
        clocking.rewind();
        clocking.run(UINT64_MAX);
        clocking.finish();
        std::ofstream out{order.results, std::ios::binary};
        out.write(reinterpret_cast<const char*>(sim_results()), static_cast<std::streamsize>(sim_result_count() * 8));
        out.close();
        if (out.fail()) return false;
        printf("%llu %.6f %u %u\n", static_cast<unsigned long long>(sim_cycles()), sim_seconds(), unsigned{top.timeout},
               unsigned{top.fault});
        return fflush(stdout) == 0;
    }
};
}  // namespace

int main(int argc, char** argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: %s memory latency gap stall seed\n", argv[0]);
        return 2;
    }
    if (!sim_memory_open(argv[1])) {
        perror(argv[1]);
        return 1;
    }
    Bench bench;
    bench.top.latency = atoi(argv[2]);
    bench.top.gap = atoi(argv[3]);
    bench.top.stall = atoi(argv[4]);
    bench.top.seed = strtoul(argv[5], nullptr, 10);
    for (std::string line; std::getline(std::cin, line);) {
        Order order;
        if (!read_order(line, order)) {
            fprintf(stderr, "not an order: %s\n", line.c_str());
            return 2;
        }
        if (!bench.run(order)) {
            perror(order.results.c_str());
            return 1;
        }
    }
    bench.top.final();
#if VM_COVERAGE
    bench.context.coveragep()->write();
#endif
    return 0;
}
