"""The host's side of a core: registers, their bits, and why a core stopped."""

from quiesce.spec.fields import Documented, Field, Layout
from quiesce.spec.performance import COUNTER_WIDTH

__all__ = ["CORE_ID", "REGISTER_FIELDS", "RESET_CYCLES", "Control", "ErrorCode", "Interrupt", "Register", "Status"]

CORE_ID = 0x5155_4902  # "QUI", version 2

RESET_CYCLES = 1 << 18
"""That a RESET waits for responses."""


class Register(Documented):
    """AXI4-Lite byte addresses (32-bit registers). Region r has its base at BASE + 8 r and its size at SIZE + 8 r."""

    ID = 0x00, "Read-only: CORE_ID."
    CONFIG = 0x04, "Read-only: what this core is."
    CONTROL = 0x08, "Write 1 to a bit: what the core shall do."
    STATUS = 0x0C, "Read-only."
    IRQ_ENABLE = 0x10, "Causes that raise the interrupt."
    IRQ_STATUS = 0x14, "Causes that occurred; write 1 to clear."
    ERROR = 0x18, "Read-only: the first error."
    MODE = 0x1C
    N_ITEMS = 0x20, "Inputs to process."
    WATCHDOG = 0x24, "Cycles without a finished packet before error WATCHDOG; 0 turns it off."
    PROLOGUE_BEATS = 0x28, "Beats of the program that are executed once."
    BODY_BEATS = 0x2C, "Beats behind them that are executed once for each item."
    INPUT_STRIDE = 0x30, "Bytes from item to item in region INPUT."
    OUTPUT_STRIDE = 0x34, "Bytes from item to item in region OUTPUT."
    COUNTER_SELECT = 0x38, "(core * max_layers + layer) * COUNTER_STRIDE + Counter."
    COUNTER_LOW = 0x3C, "Read-only: the lower half of the selected counter; captures the upper one."
    COUNTER_HIGH = 0x40, "Read-only: the upper half, as captured."
    ITEMS_DONE = 0x44, "Read-only."
    RAM_CORRECTIONS = (
        0x48,
        "Read-only: cycles with a corrected word at the output of a protected RAM, since the last RESET; stays at its "
        "largest value.",
    )
    STREAM = 0x4C, "What START begins. Only in cores with state between items, as the next one."
    DELTA_THRESHOLD = (
        0x50,
        "Least threshold of passes with `gated`. A core that is alone may be busy when it is written: an item has the one that "
        "stands when it begins, at START or behind the last pass of the item before.",
    )
    BASE = 0x60, "Byte address of region 0, a multiple of BURST_BYTES_MAX."
    SIZE = 0x64, "Bytes of region 0."


class Control(Documented):
    """Bits of CONTROL (self-clearing)."""

    START = 0, "Begin with the first item."
    RESET = 1, "Wait for the transactions under way, at most RESET_CYCLES, and begin anew."


class Status(Documented):
    """Bits of STATUS."""

    BUSY = 0
    DONE = 1, "All items are done, since the last START."
    ERROR = 2, "The core stopped, see ERROR."


class Interrupt(Documented):
    """Bits of IRQ_ENABLE and IRQ_STATUS."""

    DONE = 0, "All items are done."
    ERROR = 1, "The core stopped."


class ErrorCode(Documented):
    """Why the core stopped."""

    NONE = 0
    BAD_PACKET = 1, "Unknown opcode, or a field out of range for this configuration."
    BUS_READ = 2, "An error response, or not as many beats as were asked for."
    BUS_WRITE = 3, "An error response, or one before the data were there."
    BOUNDS = 4, "An address beyond its region, or a write to PROGRAM or INPUT."
    WATCHDOG = 5, "Nothing has moved for so many cycles, or the run control is in no state that exists."
    PROGRAM_CHECK = (
        6,
        "The parity of a header or the check of the beats before it is wrong: the program was damaged on its way.",
    )
    RAM_CHECK = 7, "A damaged word was read from a protected RAM (CoreConfig.ram_check) and could not be corrected."
    RESET_TIMEOUT = (
        8,
        "A RESET gave up, for a response never came. The core swallows what still comes, and does nothing else until "
        "another RESET finds that nothing is under way.",
    )
    RECORD_CHECK = 9, "The mask or the values of a row record were damaged (CoreConfig.record_check)."


def _bits(names: type[Documented]) -> Layout:
    return Layout({name.name.lower(): Field(int(name), 1, name.about) for name in names}, width=32)


REGISTER_FIELDS = {
    Register.CONFIG: Layout({
        "n_pes": Field(0, 8),
        "n_lanes": Field(8, 4, "of a PE"),
        "last_core": Field(12, 4, "n_cores - 1"),
        "beat_bytes": Field(16, 8, "data_width / 8"),
        "detector_width": Field(24, 8),
    }, width=32),
    Register.CONTROL: _bits(Control),
    Register.STATUS: _bits(Status),
    Register.IRQ_ENABLE: _bits(Interrupt),
    Register.IRQ_STATUS: _bits(Interrupt),
    Register.ERROR: Layout({"code": Field(0, 8, "ErrorCode"), "core": Field(8, 8, "that it occurred in")}, width=32),
    Register.MODE: Layout({"dense": Field(0, 1, "zero-skipping off")}, width=32),
    Register.STREAM: Layout({
        "continues": Field(
            0, 1, "the first item follows the last one of the run before; else, and after an error or RESET, it begins a stream"
        ),
    }, width=32),
    Register.DELTA_THRESHOLD: Layout({"threshold": Field(0, 8)}, width=32),
    Register.COUNTER_HIGH: Layout({"high": Field(0, COUNTER_WIDTH - 32)}, width=32),
}  # fmt: skip
"""Of registers that are not one integer."""
