// What the bench shares between its two main programs: memory, register script, activity, run statistics.
//
// Python reaches the extern "C" functions through ctypes in the simulator's own process; the bare loop calls them directly.
#pragma once

#include <cstdint>

extern "C" {
// Back the memory model by a file, mapped shared: what the core writes is in the file. False with errno set on failure.
bool sim_memory_open(const char* path);

// Take a script of n (kind, address, data) triples, copied. Clears the results and the statistics.
void sim_script(const uint32_t* triples, uint64_t n);
uint64_t sim_result_count();
const uint64_t* sim_results();

// The file whose first four bytes hold the last progress report, little-endian; null for none.
bool sim_progress_open(const char* path);

// Cycles and seconds that the simulator spent between start and done.
uint64_t sim_cycles();
double sim_seconds();

// Count the activity of each layer in the next run and write it to a file, see toggles.h. Null stops.
void sim_toggles(const char* path);

// Write activity files of the next run, in windows that end where the core moves its counters to a layer's set, so that both
// cover the same cycles. Window n writes <prefix>.<n>.saif, and the state at its opening to <prefix>.<n>.open.saif.
// Consecutive windows of a layer are one if the run before did at least the same passes. Null stops.
void sim_windows(const char* prefix);
uint64_t sim_window_count();
const uint64_t* sim_window_table();  // (layer, cycles) of each window
}

// Called by the main programs.
void sim_stats_add(uint64_t cycles, double seconds);
