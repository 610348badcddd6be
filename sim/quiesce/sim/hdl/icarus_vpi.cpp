// What the bench calls through DPI elsewhere, as system tasks for Icarus, which knows no DPI. Results are last arguments.
#include <vpi_user.h>

#include <array>
#include <cstdint>

#include "bench.h"

// See bench.cpp.
extern "C" {
uint64_t sim_memory_size();
uint64_t sim_memory_read(uint64_t addr);
void sim_memory_write(uint64_t addr, uint64_t data, uint8_t strobe);
void sim_host_next(uint32_t* kind, uint32_t* addr, uint32_t* data);
void sim_host_result(uint64_t value);
void sim_host_progress(uint32_t value);

// An interpreted simulation counts no activity.
void sim_toggles(const char*) {}
void sim_windows(const char*) {}
uint64_t sim_window_count() { return 0; }
const uint64_t* sim_window_table() { return nullptr; }

// From Python, which has the clock: see sim_stats_add.
void sim_stats(uint64_t cycles, double seconds) { sim_stats_add(cycles, seconds); }
}

namespace {
using Arguments = std::array<vpiHandle, 3>;

Arguments arguments(vpiHandle call) {
    Arguments found{};
    vpiHandle list = vpi_iterate(vpiArgument, call);
    if (!list) return found;
    for (auto& argument : found)
        if (!(argument = vpi_scan(list))) return found;
    vpi_free_object(list);
    return found;
}

// Bits that are X or Z read as zero.
uint64_t get(vpiHandle from) {
    s_vpi_value value{};
    value.format = vpiVectorVal;
    vpi_get_value(from, &value);
    const int words = (vpi_get(vpiSize, from) + 31) / 32;
    uint64_t bits = 0;
    for (int word = 0; word < words && word < 2; ++word)
        bits |= uint64_t(uint32_t(value.value.vector[word].aval & ~value.value.vector[word].bval)) << (32 * word);
    return bits;
}

void put(vpiHandle to, uint64_t bits) {
    s_vpi_vecval vector[2] = {{PLI_INT32(uint32_t(bits)), 0}, {PLI_INT32(uint32_t(bits >> 32)), 0}};
    s_vpi_value value{};
    value.format = vpiVectorVal;
    value.value.vector = vector;
    vpi_put_value(to, &value, nullptr, vpiNoDelay);
}

vpiHandle call() { return vpi_handle(vpiSysTfCall, nullptr); }

PLI_INT32 memory_size(PLI_BYTE8*) {
    put(arguments(call())[0], sim_memory_size());
    return 0;
}

PLI_INT32 memory_read(PLI_BYTE8*) {
    const Arguments from_to = arguments(call());
    put(from_to[1], sim_memory_read(get(from_to[0])));
    return 0;
}

PLI_INT32 memory_write(PLI_BYTE8*) {
    const auto [addr, data, strobe] = arguments(call());
    sim_memory_write(get(addr), get(data), get(strobe));
    return 0;
}

PLI_INT32 host_next(PLI_BYTE8*) {
    uint32_t kind, addr, data;
    sim_host_next(&kind, &addr, &data);
    const Arguments to = arguments(call());
    put(to[0], kind);
    put(to[1], addr);
    put(to[2], data);
    return 0;
}

PLI_INT32 host_result(PLI_BYTE8*) {
    sim_host_result(get(arguments(call())[0]));
    return 0;
}

PLI_INT32 host_progress(PLI_BYTE8*) {
    sim_host_progress(get(arguments(call())[0]));
    return 0;
}

void add(const char* name, PLI_INT32 (*run)(PLI_BYTE8*)) {
    s_vpi_systf_data data{};
    data.type = vpiSysTask;
    data.tfname = name;
    data.calltf = run;
    vpi_register_systf(&data);
}

void add_all() {
    add("$sim_memory_size", memory_size);
    add("$sim_memory_read", memory_read);
    add("$sim_memory_write", memory_write);
    add("$sim_host_next", host_next);
    add("$sim_host_result", host_result);
    add("$sim_host_progress", host_progress);
}
}  // namespace

extern "C" {
void (*vlog_startup_routines[])() = {add_all, nullptr};
}
