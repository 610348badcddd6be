// The bench with faults: many runs of a core, each from power-up on the same memory, each with faults of its own.
//     tb --list
//     tb memory experiments outputs latency gap stall seed  scratch_base scratch_size output_base output_size
// The first prints "path bits words" of all state of the core, in the order of its numbers in experiments. The second prints a line for
// each experiment: "cycles timeout outside data_beats write_responses n" and the n values that its script read, and, if it has no fault, cycle and address
// of each data beat; `outside` is 1 if memory changed that the core must not write.
// The output region after each experiment is appended to the file `outputs`. An experiment is a line of numbers:
//     limit n_faults (kind time where word bit)... n_operations (operation address data)...
// A fault of kind MEMORY flips a bit of byte `where` at cycle `time`; STATE flips that of word `word` of state `where`. READ and
// WRITE make the memory do `bit` (a bus_fault_t of axi_memory.sv) at its data beat, or write response, number `where`, and delay it
// by `word` cycles if it is LATE.
#include <sys/mman.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "Vtop.h"
#include "bench.h"
#include "verilated.h"
#include "verilated_syms.h"

namespace {
enum Kind : uint64_t { MEMORY, STATE, READ, WRITE };

struct Fault {
    uint64_t kind, time, where, word, bit;
};

struct Experiment {
    uint64_t limit;
    std::vector<Fault> faults;
    std::vector<uint32_t> script;
};

std::vector<Fault> bus_faults;
uint64_t n_asked[2];
uint64_t cycle;
std::vector<uint64_t> beats;  // cycle and address of each
uint32_t delay;

struct Memory {
    uint8_t* bytes = nullptr;
    std::vector<uint8_t> sound;

    bool open(const char* path) {
        if (!sim_memory_open(path)) return false;
        const int file = ::open(path, O_RDWR | O_CLOEXEC);
        struct stat info;
        if (file < 0 || fstat(file, &info) != 0) return false;
        void* mapped = mmap(nullptr, info.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        close(file);
        if (mapped == MAP_FAILED) return false;
        bytes = static_cast<uint8_t*>(mapped);
        sound.assign(bytes, bytes + info.st_size);
        return true;
    }
    void restore() { memcpy(bytes, sound.data(), sound.size()); }
};

// A core from power-up.
struct Bench {
    VerilatedContext context;
    Vtop top{&context, ""};
    std::vector<std::pair<std::string, const VerilatedVar*>> state;

    Bench() {
        if (!context.scopeNameMap()) return;
        for (const auto& [name, scope] : *context.scopeNameMap()) {
            if (strncmp(name, "tb.dut", 6) != 0 || !scope->varsp()) continue;
            for (const auto& [variable_name, variable] : *scope->varsp())
                state.emplace_back(std::string{name} + " " + variable_name, &variable);
        }
    }

    void edge() {
        context.timeInc(500);
        top.clk = !top.clk;
        top.eval();
    }

    void flip(const Fault& fault) {
        const VerilatedVar& variable = *state.at(fault.where).second;
        void* word = variable.datap();
        if (variable.udims()) word = variable.datapAdjustIndex(word, 1, static_cast<int>(fault.word));
        static_cast<uint8_t*>(word)[fault.bit / 8] ^= 1 << fault.bit % 8;  // little-endian machines
    }

    void run(const Experiment& experiment, Memory& memory) {
        sim_script(experiment.script.data(), experiment.script.size() / 3);
        top.limit = experiment.limit;
        top.rst = 1;
        for (int i = 0; i < 8; ++i) edge();
        top.rst = 0;
        for (int i = 0; i < 8; ++i) edge();
        top.start = 1;
        cycle = 0;
        while (!top.done) {
            for (const Fault& fault : experiment.faults) {
                if (fault.time != cycle) continue;
                if (fault.kind == MEMORY) memory.bytes[fault.where] ^= 1 << fault.bit;
                if (fault.kind == STATE) flip(fault);
            }
            edge();
            edge();
            ++cycle;
        }
    }
};

bool read_experiment(const std::string& line, Experiment& experiment) {
    std::istringstream in{line};
    uint64_t n_faults = 0, n_operations = 0;
    in >> experiment.limit >> n_faults;
    experiment.faults.resize(n_faults);
    for (Fault& fault : experiment.faults) in >> fault.kind >> fault.time >> fault.where >> fault.word >> fault.bit;
    in >> n_operations;
    experiment.script.resize(3 * n_operations);
    for (uint32_t& word : experiment.script) in >> word;
    return !in.fail();
}

int list() {
    const Bench bench;
    for (const auto& [name, variable] : bench.state)
        printf("%s %u %u\n", name.c_str(), variable->entBits(), variable->udims() ? variable->elements(1) : 1);
    return 0;
}
}  // namespace

extern "C" {
uint32_t sim_bus_fault(uint32_t response, uint64_t addr) {
    const uint64_t number = n_asked[response]++;
    if (!response) beats.insert(beats.end(), {cycle, addr});
    for (const Fault& fault : bus_faults)
        if (fault.kind == (response ? WRITE : READ) && fault.where == number) {
            delay = static_cast<uint32_t>(fault.word);
            return static_cast<uint32_t>(fault.bit);
        }
    return 0;
}
uint32_t sim_bus_delay() { return delay; }
}

int main(int argc, char** argv) {
    if (argc == 2 && !strcmp(argv[1], "--list")) return list();
    if (argc != 12) {
        fprintf(stderr, "usage: see sim/quiesce/sim/hdl/faults_main.cpp\n");
        return 2;
    }
    Memory memory;
    if (!memory.open(argv[1])) {
        perror(argv[1]);
        return 1;
    }
    uint64_t number[12];
    for (int i = 4; i < argc; ++i) number[i] = strtoull(argv[i], nullptr, 10);
    const uint64_t scratch = number[8], scratch_end = scratch + number[9], output = number[10], output_end = output + number[11];
    std::ifstream experiments{argv[2]};
    std::ofstream outputs{argv[3], std::ios::binary};
    for (std::string line; std::getline(experiments, line);) {
        Experiment experiment;
        if (!read_experiment(line, experiment)) {
            fprintf(stderr, "%s: not an experiment: %s\n", argv[2], line.c_str());
            return 1;
        }
        memory.restore();
        bus_faults = experiment.faults;
        n_asked[0] = n_asked[1] = 0;
        beats.clear();
        Bench bench;
        bench.top.latency = number[4];
        bench.top.gap = number[5];
        bench.top.stall = number[6];
        bench.top.seed = number[7];
        bench.run(experiment, memory);
        outputs.write(reinterpret_cast<const char*>(memory.bytes + output), output_end - output);
        for (const Fault& fault : experiment.faults)  // undo what is no doing of the core
            if (fault.kind == MEMORY && fault.time < cycle) memory.bytes[fault.where] ^= 1 << fault.bit;
        bool outside = false;
        for (uint64_t at = 0; at < memory.sound.size(); ++at)
            if (at < scratch || (at >= scratch_end && at < output) || at >= output_end) outside |= memory.bytes[at] != memory.sound[at];
        std::cout << cycle << ' ' << unsigned{bench.top.timeout} << ' ' << outside << ' ' << n_asked[0] << ' ' << n_asked[1] << ' '
                  << sim_result_count();
        for (uint64_t i = 0; i < sim_result_count(); ++i) std::cout << ' ' << sim_results()[i];
        if (experiment.faults.empty())
            for (uint64_t number : beats) std::cout << ' ' << number;
        std::cout << std::endl;
        bench.top.final();
    }
    return outputs ? 0 : 1;
}
