// The same bench without cocotb and VPI, to measure what they cost:
//     tb_loop memory script results latency gap stall seed limit
// Prints "cycles seconds"; the results are written as 64-bit little-endian words.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <vector>

#include "Vtop.h"
#include "clocking.h"
#include "verilated.h"

int main(int argc, char** argv) {
    if (argc != 9) {
        fprintf(stderr, "usage: %s memory script results latency gap stall seed limit\n", argv[0]);
        return 2;
    }
    if (!sim_memory_open(argv[1])) {
        perror(argv[1]);
        return 1;
    }
    std::ifstream file{argv[2], std::ios::binary};
    const std::vector<char> text{std::istreambuf_iterator<char>{file}, {}};
    sim_script(reinterpret_cast<const uint32_t*>(text.data()), text.size() / 12);

    VerilatedContext context;
    Vtop top{&context, ""};
    Clocking clocking{context, top};
    const auto cycles = [&](int n) {
        for (int i = 0; i < 2 * n; ++i) {
            clocking.edge();
            top.eval();
        }
    };
    top.latency = atoi(argv[4]);
    top.gap = atoi(argv[5]);
    top.stall = atoi(argv[6]);
    top.seed = strtoul(argv[7], nullptr, 10);
    top.limit = strtoull(argv[8], nullptr, 10);
    top.rst = 1;
    cycles(4);
    top.rst = 0;
    cycles(4);
    top.start = 1;
    clocking.run(UINT64_MAX);

    std::ofstream out{argv[3], std::ios::binary};
    out.write(reinterpret_cast<const char*>(sim_results()), static_cast<std::streamsize>(sim_result_count() * 8));
    printf("%llu %.6f\n", static_cast<unsigned long long>(sim_cycles()), sim_seconds());
    top.final();
    return top.timeout || top.fault || !out;
}
