#include "bench.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <vector>

namespace {
uint8_t* memory = nullptr;
uint64_t memory_bytes = 0;

std::vector<uint32_t> script;
size_t script_next = 0;
std::vector<uint64_t> results;
int progress_file = -1;

uint64_t run_cycles = 0;
double run_seconds = 0;
}  // namespace

extern "C" {
bool sim_memory_open(const char* path) {
    if (memory) munmap(memory, memory_bytes);
    memory = nullptr;
    memory_bytes = 0;
    const int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return false;
    struct stat info;
    void* mapped = MAP_FAILED;
    if (fstat(file, &info) == 0) mapped = mmap(nullptr, info.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped == MAP_FAILED) return false;
    memory = static_cast<uint8_t*>(mapped);
    memory_bytes = info.st_size;
    return true;
}

void sim_script(const uint32_t* triples, uint64_t n) {
    script.assign(triples, triples + 3 * n);
    script_next = 0;
    results.clear();
    run_cycles = 0;
    run_seconds = 0;
}

uint64_t sim_result_count() { return results.size(); }
const uint64_t* sim_results() { return results.data(); }

bool sim_progress_open(const char* path) {
    if (progress_file >= 0) close(progress_file);
    progress_file = path ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666) : -1;
    return !path || progress_file >= 0;
}

uint64_t sim_cycles() { return run_cycles; }
double sim_seconds() { return run_seconds; }

// Called from the HDL. Addresses are within the memory and aligned to words: axi_memory.sv checks both.
uint64_t sim_memory_size() { return memory_bytes; }

uint64_t sim_memory_read(uint64_t addr) {
    uint64_t word;
    memcpy(&word, memory + addr, sizeof word);
    return word;
}

void sim_memory_write(uint64_t addr, uint64_t data, uint8_t strobe) {
    if (strobe == 0xff) {
        memcpy(memory + addr, &data, sizeof data);
        return;
    }
    for (int byte = 0; byte < 8; ++byte)
        if (strobe >> byte & 1) memory[addr + byte] = static_cast<uint8_t>(data >> (8 * byte));
}

void sim_host_next(uint32_t* kind, uint32_t* addr, uint32_t* data) {
    const bool more = script_next < script.size();
    *kind = more ? script[script_next] : 0;
    *addr = more ? script[script_next + 1] : 0;
    *data = more ? script[script_next + 2] : 0;
    if (more) script_next += 3;
}

void sim_host_result(uint64_t value) { results.push_back(value); }

void sim_host_progress(uint32_t value) {
    // A lost report is repeated by the next one.
    if (progress_file >= 0 && pwrite(progress_file, &value, sizeof value, 0) < 0) return;
}
}

void sim_stats_add(uint64_t cycles, double seconds) {
    run_cycles += cycles;
    run_seconds += seconds;
}
