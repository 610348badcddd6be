// The same bench without cocotb and VPI: it starts in milliseconds.
//     tb memory latency gap stall seed (script results limit)...
// Runs the scripts one after the other on one memory, each from reset. Prints "cycles seconds timeout fault" for each; what its
// reads reported is written as 64-bit little-endian words.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <vector>

#include "Vtop.h"
#include "clocking.h"
#include "verilated.h"

namespace {
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

    // One script, from reset; false if its results cannot be written.
    bool run(const char* script, const char* results, uint64_t limit) {
        std::ifstream file{script, std::ios::binary};
        const std::vector<char> text{std::istreambuf_iterator<char>{file}, {}};
        sim_script(reinterpret_cast<const uint32_t*>(text.data()), text.size() / 12);
        top.limit = limit;
        top.start = 0;
        top.rst = 1;
        cycles(4);
        top.rst = 0;
        cycles(4);
        top.start = 1;
        clocking.run(UINT64_MAX);
        printf("%llu %.6f %u %u\n", static_cast<unsigned long long>(sim_cycles()), sim_seconds(), unsigned{top.timeout},
               unsigned{top.fault});
        std::ofstream out{results, std::ios::binary};
        out.write(reinterpret_cast<const char*>(sim_results()), static_cast<std::streamsize>(sim_result_count() * 8));
        out.close();
        return !out.fail();
    }
};
}  // namespace

int main(int argc, char** argv) {
    if (argc < 9 || argc % 3 != 0) {
        fprintf(stderr, "usage: %s memory latency gap stall seed (script results limit)...\n", argv[0]);
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
    for (char** phase = argv + 6; phase < argv + argc; phase += 3)
        if (!bench.run(phase[0], phase[1], strtoull(phase[2], nullptr, 10))) {
            perror(phase[1]);
            return 1;
        }
    bench.top.final();
#if VM_COVERAGE
    bench.context.coveragep()->write();
#endif
    return 0;
}
