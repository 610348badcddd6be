// Netlist simulation, a bit of every word for each of 64 independent runs: logic in a given order, then one clock edge.
//
// Data-driven, so that it is compiled once for all netlists. Nets 0 and 1 are the constants. Nothing has a delay, so a net toggles at
// most once in a cycle.
#include <cstdint>
#include <vector>

namespace {

constexpr int PLANES = 8;   // counts are kept bit-sliced for up to 255 cycles
constexpr int LANES = 64;

// Exclusive or of: `a and b`, if bit 0 of the kind is set; `a xor b`, if bit 1; one, if bit 2.
struct Operation { int32_t kind, a, b, out; };
struct Register { int32_t data, out, enable; };

// One read and one write port on one clock; nets of its pins in the order enable, address, data, write enables, address, data.
struct Ram {
    int32_t depth, width, address_bits, transparent;
    int64_t pins;     // index of its first pin in the list of nets
    int64_t storage;  // index of its first word; lanes x depth x words
};

struct Counter {
    int32_t net;
    int32_t level;  // counts cycles in which the net is one, instead of changes
};

// No branch: kinds follow each other at random, and a wrongly predicted one would cost more than all of this.
uint64_t evaluate(const Operation& o, const uint64_t* v) {
    const uint64_t a = v[o.a], b = v[o.b], kind = static_cast<uint64_t>(o.kind);
    return (a & b & -(kind & 1)) ^ ((a ^ b) & -(kind >> 1 & 1)) ^ -(kind >> 2);
}

int64_t gather(const uint64_t* values, const int32_t* nets, int bits, int lane) {
    int64_t number = 0;
    for (int bit = 0; bit < bits; ++bit) number |= static_cast<int64_t>(values[nets[bit]] >> lane & 1) << bit;
    return number;
}

// Writes, and puts what the read port returns into `read`, a word for each bit; `read` holds the present outputs.
void clock_ram(const Ram& ram, const int32_t* pins, const uint64_t* values, uint64_t* storage, uint64_t* read) {
    const int32_t* read_address = pins + 1;
    const int32_t* read_data = read_address + ram.address_bits;
    const int32_t* write_enable = read_data + ram.width;
    const int32_t* write_address = write_enable + ram.width;
    const int32_t* write_data = write_address + ram.address_bits;
    const uint64_t reads = values[pins[0]];
    uint64_t writes = 0;
    for (int bit = 0; bit < ram.width; ++bit) {
        read[bit] = values[read_data[bit]];
        writes |= values[write_enable[bit]];
    }
    const int words = (ram.width + 63) / 64;
    for (uint64_t lanes = reads | writes; lanes; lanes &= lanes - 1) {
        const int lane = __builtin_ctzll(lanes);
        const uint64_t one = uint64_t{1} << lane;
        uint64_t* base = storage + static_cast<int64_t>(lane) * ram.depth * words;
        auto fetch = [&] {
            const int64_t address = gather(values, read_address, ram.address_bits, lane);
            for (int bit = 0; bit < ram.width; ++bit) {
                const bool set = address < ram.depth && base[address * words + bit / 64] >> (bit % 64) & 1;
                read[bit] = set ? read[bit] | one : read[bit] & ~one;
            }
        };
        if ((reads & one) && !ram.transparent) fetch();
        if (writes & one) {
            const int64_t address = gather(values, write_address, ram.address_bits, lane);
            for (int bit = 0; address < ram.depth && bit < ram.width; ++bit) {
                if (!(values[write_enable[bit]] & one)) continue;
                const uint64_t place = uint64_t{1} << (bit % 64);
                uint64_t& word = base[address * words + bit / 64];
                word = values[write_data[bit]] & one ? word | place : word & ~place;
            }
        }
        if ((reads & one) && ram.transparent) fetch();
    }
}

void flush(uint64_t* planes, uint32_t* counts, int64_t n_counters) {
    for (int64_t i = 0; i < n_counters; ++i) {
        uint64_t* plane = planes + i * PLANES;
        for (int p = 0; p < PLANES; ++p) {
            for (uint64_t bits = plane[p]; bits; bits &= bits - 1) counts[i * LANES + __builtin_ctzll(bits)] += 1u << p;
            plane[p] = 0;
        }
    }
}

}  // namespace

extern "C" {

struct Netlist {
    const Operation* operations; int64_t n_operations;
    const Register* registers; int64_t n_registers;
    const Ram* rams; int64_t n_rams;
    const int32_t* ram_pins;
    const Counter* counters; int64_t n_counters;
    const int32_t* inputs; int64_t n_inputs;
    const int32_t* outputs; int64_t n_outputs;
};

// Everything that changes; all zero at first but values[1], which is all ones.
struct State {
    uint64_t* values; uint64_t* storage; uint64_t* last; uint32_t* counts;
};

// Runs some cycles. `stimulus` holds for each the inputs, the expected outputs, the lanes whose outputs are compared, and those that
// are counted. Returns the number of cycles done: less than `cycles` if an output differs, whose index and lanes `mismatch` then has.
int64_t replay(const Netlist* n, State* s, const uint64_t* stimulus, int64_t cycles, uint64_t* mismatch) {
    uint64_t* v = s->values;
    std::vector<uint64_t> planes(n->n_counters * PLANES), next(n->n_registers);
    std::vector<std::vector<uint64_t>> read(n->n_rams);
    for (int64_t i = 0; i < n->n_rams; ++i) read[i].resize(n->rams[i].width);
    for (int64_t cycle = 0; cycle < cycles; ++cycle) {
        for (int64_t i = 0; i < n->n_inputs; ++i) v[n->inputs[i]] = *stimulus++;
        for (int64_t i = 0; i < n->n_operations; ++i) v[n->operations[i].out] = evaluate(n->operations[i], v);
        const uint64_t* expected = stimulus;
        stimulus += n->n_outputs;
        const uint64_t compared = *stimulus++, counted = *stimulus++;
        for (int64_t i = 0; i < n->n_outputs; ++i) {
            if (const uint64_t wrong = (v[n->outputs[i]] ^ expected[i]) & compared) {
                mismatch[0] = i;
                mismatch[1] = wrong;
                flush(planes.data(), s->counts, n->n_counters);
                return cycle;
            }
        }
        for (int64_t i = 0; i < n->n_counters; ++i) {
            const Counter& c = n->counters[i];
            uint64_t carry = c.level ? v[c.net] : v[c.net] ^ s->last[i];
            if (!carry) continue;
            s->last[i] = c.level ? 0 : v[c.net];
            carry &= counted;
            for (uint64_t* plane = planes.data() + i * PLANES; carry; ++plane) {
                const uint64_t both = *plane & carry;
                *plane ^= carry;
                carry = both;
            }
        }
        if (cycle % 255 == 254) flush(planes.data(), s->counts, n->n_counters);
        for (int64_t i = 0; i < n->n_registers; ++i) {
            const Register& r = n->registers[i];
            next[i] = (v[r.out] & ~v[r.enable]) | (v[r.data] & v[r.enable]);
        }
        for (int64_t i = 0; i < n->n_rams; ++i) {
            clock_ram(n->rams[i], n->ram_pins + n->rams[i].pins, v, s->storage + n->rams[i].storage, read[i].data());
        }
        for (int64_t i = 0; i < n->n_registers; ++i) v[n->registers[i].out] = next[i];
        for (int64_t i = 0; i < n->n_rams; ++i) {
            const int32_t* data = n->ram_pins + n->rams[i].pins + 1 + n->rams[i].address_bits;
            for (int bit = 0; bit < n->rams[i].width; ++bit) v[data[bit]] = read[i][bit];
        }
    }
    flush(planes.data(), s->counts, n->n_counters);
    return cycles;
}
}
