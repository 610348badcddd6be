// Activity of the core, counted in the simulator's memory: toggles of its nets and flip-flops that load.
//
// The nets to count are those that the Verilog of the core makes public (sim/quiesce/sim/energy/monitors.py): Verilator then keeps each in
// memory of its own and lists them by scope. Once a cycle, when everything has settled, that memory is compared with a copy of
// it. Most of it has not changed, and is passed over 64 bytes at a time.
#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "verilated.h"
#include "verilated_syms.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define QUIESCE_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define QUIESCE_CLONES
#endif
#define QUIESCE_ALWAYS_INLINE inline __attribute__((always_inline))

class Toggles {
public:
    // Everything public at and below the scope `top`.
    Toggles(VerilatedContext& context, const std::string& top) {
        std::map<uintptr_t, std::vector<Part>> words;
        for (const auto& [name, scope] : *context.scopeNameMap()) {
            const std::string path = name;
            if (path != top && path.compare(0, top.size() + 1, top + ".") != 0) continue;
            if (!scope->varsp()) continue;
            for (const auto& [net, variable] : *scope->varsp()) add(words, scopes_.size(), net, variable);
            scopes_.push_back(path);
        }
        toggles_.resize(scopes_.size());
        loads_.resize(scopes_.size() * LOADS);
        for (const auto& [address, parts] : words) {
            const auto start = reinterpret_cast<const Half*>(address / BYTES * BYTES);
            if (lines_.empty() || lines_.back().at != start) {
                lines_.emplace_back();
                lines_.back().at = start;
                owners_.emplace_back();
            }
            const unsigned word = address % BYTES / sizeof(uint64_t);
            for (const Part& part : parts) lines_.back().mask[word / 4][word % 4] |= part.mask;
            Owners& owners = owners_.back();
            owners.scope[word] = parts[0].scope;
            if (parts.size() == 1 && parts[0].kind == 0) continue;
            owners.first[word] = parts_.size();
            parts_.insert(parts_.end(), parts.begin(), parts.end());
            owners.last[word] = parts_.size();
        }
    }

    bool counting() const { return counting_; }

    // Count from the present state on, all layers from zero.
    void start() {
        counting_ = true;
        layers_.clear();
        now_ = 0;
        for (Load& load : loads_) load = {};
        for (size_t i = 0; i < lines_.size(); ++i) {
            lines_[i].before[0] = lines_[i].before[1] = Half{};
            changed(i);
        }
        for (uint64_t& count : toggles_) count = 0;
    }

    // Once a cycle, after the rising edge has settled.
    void sample() {
        ++now_;
        compare();
    }

    // What was counted since the last flush, or the start, belongs to `layer`.
    void flush(uint8_t layer) {
        std::vector<uint64_t>& total = layers_[layer];
        total.resize(scopes_.size() * KINDS);
        for (size_t scope = 0; scope < scopes_.size(); ++scope) {
            total[scope * KINDS] += toggles_[scope];
            toggles_[scope] = 0;
            for (unsigned kind = 0; kind < LOADS; ++kind) {
                Load& load = loads_[scope * LOADS + kind];
                total[scope * KINDS + 1 + kind] += load.sum + load.level * now_;
                load.sum = -load.level * now_;
            }
        }
    }

    // A line for each layer and scope: layer, scope, toggles, loads of flip-flops without and with reset, clock gates behind open ones.
    bool write(const std::string& path) {
        counting_ = false;
        FILE* file = fopen(path.c_str(), "w");
        if (!file) return false;
        for (const auto& [layer, total] : layers_)
            for (size_t scope = 0; scope < scopes_.size(); ++scope) {
                fprintf(file, "%u\t%s", unsigned{layer}, scopes_[scope].c_str());
                for (unsigned kind = 0; kind < KINDS; ++kind)
                    fprintf(file, "\t%llu", static_cast<unsigned long long>(total[scope * KINDS + kind]));
                fputc('\n', file);
            }
        return fclose(file) == 0;
    }

private:
    static constexpr unsigned LOADS = 3, KINDS = 1 + LOADS, WORDS = 8, BYTES = WORDS * sizeof(uint64_t);

    // Bits of a word that count alike.
    struct Part {
        uint64_t mask;
        uint32_t scope, kind;  // toggles, loads without reset, loads with reset, loads of any
        uint32_t weight;       // flip-flops that a load loads, or clock gates that any opens
        bool alike(const Part& other) const { return scope == other.scope && kind == other.kind && weight == other.weight; }
    };
    typedef uint64_t Half __attribute__((vector_size(32), may_alias));
    struct alignas(64) Line {
        Half before[2] = {}, mask[2] = {};
        const Half* at = nullptr;
    };
    // Whose the words of a line are: all bits one scope's, or several parts.
    struct Owners {
        uint32_t scope[WORDS] = {}, first[WORDS] = {}, last[WORDS] = {};
    };
    // What loads in each cycle, summed, is `sum + level * now`: so only changes need be visited.
    struct Load {
        uint64_t level = 0, sum = 0;
    };

    // Bytes are in the order of little-endian machines.
    static void add(std::map<uintptr_t, std::vector<Part>>& words, size_t scope, const std::string& net, const VerilatedVar& variable) {
        const auto begin = reinterpret_cast<uintptr_t>(variable.datap());
        Part empty{0, static_cast<uint32_t>(scope), 0, 1};
        // Verilator keeps the backslash of an escaped name.
        if (sscanf(net.c_str(), "\\load:%u:", &empty.weight) == 1) empty.kind = 1;
        else if (sscanf(net.c_str(), "\\load_reset:%u:", &empty.weight) == 1) empty.kind = 2;
        else if (sscanf(net.c_str(), "\\any_load:%u:", &empty.weight) == 1) empty.kind = 3;
        for (uint32_t bit = 0; bit < variable.entBits(); ++bit) {
            const uintptr_t byte = begin + bit / 8;
            const uintptr_t word = byte / sizeof(uint64_t) * sizeof(uint64_t);
            const uint64_t mask = uint64_t{1} << ((byte - word) * 8 + bit % 8);
            std::vector<Part>& parts = words[word];
            auto part = parts.begin();
            while (part != parts.end() && !part->alike(empty)) ++part;
            if (part == parts.end()) part = parts.insert(part, empty);
            part->mask |= mask;
        }
    }

    QUIESCE_CLONES void compare() {
        for (size_t i = 0; i < lines_.size(); ++i) {
            const Line& line = lines_[i];
            const Half* live = line.at;
            const Half any = ((live[0] ^ line.before[0]) & line.mask[0]) | ((live[1] ^ line.before[1]) & line.mask[1]);
            if (any[0] | any[1] | any[2] | any[3]) changed(i);
        }
    }

    QUIESCE_CLONES void changed(size_t index) {
        Line& line = lines_[index];
        const Owners& owners = owners_[index];
        for (unsigned word = 0; word < WORDS; ++word) {
            const uint64_t before = line.before[word / 4][word % 4], live = line.at[word / 4][word % 4];
            const uint64_t difference = (live ^ before) & line.mask[word / 4][word % 4];
            line.before[word / 4][word % 4] = live;
            if (owners.first[word] == owners.last[word]) {
                toggles_[owners.scope[word]] += __builtin_popcountll(difference);
            } else if (difference) {
                for (uint32_t part = owners.first[word]; part < owners.last[word]; ++part) count(parts_[part], before, live);
            }
        }
    }

    QUIESCE_ALWAYS_INLINE void count(const Part& part, uint64_t before, uint64_t live) {
        if (part.kind == 0) {
            toggles_[part.scope] += __builtin_popcountll((live ^ before) & part.mask);
            return;
        }
        Load& load = loads_[part.scope * LOADS + part.kind - 1];
        const uint64_t more = uint64_t{part.weight} * (__builtin_popcountll(live & part.mask) - __builtin_popcountll(before & part.mask));
        load.level += more;
        load.sum -= more * now_;
    }

    std::vector<std::string> scopes_;
    std::vector<Line> lines_;
    std::vector<Owners> owners_;  // of each line
    std::vector<Part> parts_;
    std::vector<uint64_t> toggles_;  // of each scope
    std::vector<Load> loads_;  // two of each scope
    std::map<uint8_t, std::vector<uint64_t>> layers_;
    uint64_t now_ = 0;
    bool counting_ = false;
};
