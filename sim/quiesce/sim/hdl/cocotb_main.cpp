// Main program for cocotb: follows the VPI phases of a time step, but while the core runs and Python is asleep it toggles the
// clock in a tight loop. A test must therefore await nothing but `done` and timers between `start` and `done`.
#include <algorithm>
#include <memory>

#include "Vtop.h"
#include "clocking.h"
#include "verilated.h"
#include "verilated_vpi.h"

extern "C" void vlog_startup_routines_bootstrap(void);

static std::unique_ptr<Clocking> clocking;

extern "C" {
void sim_toggles(const char* path) { clocking->toggles(path); }
void sim_windows(const char* prefix) { clocking->windows(prefix); }
uint64_t sim_window_count() { return clocking->table().size() / 2; }
const uint64_t* sim_window_table() { return clocking->table().data(); }
}

static void settle() {
    while (VerilatedVpi::callValueCbs()) {}
}

// One time step: evaluate until neither the design nor Python changes anything more.
static void time_step(Vtop& top) {
    do {
        do {
            top.eval_step();
            VerilatedVpi::clearEvalNeeded();
            VerilatedVpi::doInertialPuts();
            settle();
        } while (VerilatedVpi::evalNeeded());
        VerilatedVpi::callCbs(cbReadWriteSynch);
        VerilatedVpi::doInertialPuts();
        settle();
    } while (VerilatedVpi::evalNeeded());
    top.eval_end_step();
    VerilatedVpi::callCbs(cbReadOnlySynch);
}

int main(int argc, char** argv) {
    VerilatedContext& context = *Verilated::threadContextp();
    context.commandArgs(argc, argv);
    context.fatalOnVpiError(false);  // an unknown name is Python's to report
    context.traceEverOn(true);
    Vtop top{&context, ""};
    clocking = std::make_unique<Clocking>(context, top);

    vlog_startup_routines_bootstrap();
    VerilatedVpi::callCbs(cbStartOfSimulation);
    settle();

    bool was_running = false;
    while (!context.gotFinish()) {
        time_step(top);
        if (clocking->running()) {
            if (!was_running) clocking->rewind();
            was_running = true;
            clocking->run(VerilatedVpi::cbNextDeadline());
            if (!clocking->running()) {
                clocking->finish();
                settle();  // wakes whoever awaits `done`; what it writes is taken up by the next round, at the same time
                was_running = false;
                continue;
            }
        }
        const uint64_t deadline = VerilatedVpi::cbNextDeadline();
        if (clocking->next_edge() <= deadline) clocking->edge();
        else context.time(deadline);
        VerilatedVpi::callCbs(cbNextSimTime);
        settle();
        VerilatedVpi::callTimedCbs();
        settle();
    }

    VerilatedVpi::callCbs(cbEndOfSimulation);
    clocking.reset();
    top.final();
    return context.errorCount() > 0;
}
