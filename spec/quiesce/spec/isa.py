"""The contract between compiler, RTL and host: program packets, pass fields, registers, counters and error codes.

A program is a stream of packets, each a header beat followed by payload beats (a beat is ``CoreConfig.data_width`` bits,
little-endian). The prologue is fetched once and then the body once per item (input image); there are no branches. All cores
see the one stream; each executes the packets that are for it in order, and all meet at WAIT and ITEM_END.
Payload words are 64 bits; a beat of 128 bits holds two, the lower first, and a packet's last beat is padded with zeros.

A program checks itself. The parity of a header (``header_parity``) shows that its opcode, target and length are right before any
of them takes effect. START, WAIT and ITEM_END, which make use of what was loaded, carry the CRC of every beat since the last WAIT
or ITEM_END (``beats_check``), whichever core it was for: one that does not fit is not executed but stops all with PROGRAM_CHECK.
"""

import binascii
import zlib
from enum import IntEnum

__all__ = [
    "Opcode", "Region", "Register", "Control", "Status", "ErrorCode", "Counter", "HEADER", "CHECKED_HEADER", "CHECKED_OPCODES",
    "BARRIERS", "header_parity", "beats_check", "CHECK_BYTES", "record_check", "PASS_FIELDS", "PASS_WORDS", "SIGNED_FIELDS",
    "POSITION_FIELDS", "PARAM_FIELDS", "CORE_ID", "COUNTER_STRIDE", "COUNTER_WIDTH", "RESET_CYCLES", "BURST_BYTES_MAX",
]  # fmt: skip

CORE_ID = 0x5155_4902  # "QUI", version 2
COUNTER_WIDTH = 48
COUNTER_STRIDE = 32
"""Counters of a set, from one set to the next."""


class Opcode(IntEnum):
    """Packet kinds; ``count`` in the header is the payload in 64-bit words (in beats for VALUES)."""

    MASKS = 1
    """Weight masks of PE ``pe`` from mask word ``dest`` on, which begins a beat; ``aux`` is the index of the first packed weight
    word.
    Payload: mask words of ``mask_width`` bits, packed; ``count`` is the number of *mask words*."""
    VALUES = 2
    """Packed weights of PE ``pe`` from memory row ``dest`` on, one row per beat; ``count`` rows."""
    PARAMS = 3
    """Requantisation parameters from parameter row ``dest`` on; ``count`` channels, one word each (PARAM_FIELDS)."""
    PASS = 4
    """Describe a pass: PASS_WORDS words of PASS_FIELDS, then the position table, two positions per word. From now on its
    activations may be read; what its input depends on beyond the rows that it awaits has to be in memory or under way."""
    WAIT = 5
    """Hold the stream until the passes in flight, of all cores, have finished. ``flush``: then add the counters of every core
    since the last time to its set ``dest``."""
    ITEM_END = 6
    """Advance the input and output regions by their strides for the passes that follow. Several cores hold like WAIT."""
    CORES = 7
    """Only the cores whose bits are set in ``dest`` execute the packets that follow, up to the next CORES, WAIT or ITEM_END. The
    latter two are for all cores, and so is what follows them. Unknown to a core that is alone."""
    START = 8
    """Run the pass that was described last. What is loaded between the two is there for it. Between PASS and START there is no
    other PASS, nor ITEM_END."""


class Region(IntEnum):
    """Memory regions: addresses in a program are offsets into one of these, checked against its size."""

    PROGRAM = 0
    SCRATCH = 1
    INPUT = 2
    OUTPUT = 3


# name -> (low bit, width); a leading "-" in the width marks a signed field.
Field = tuple[int, int]

HEADER: dict[str, Field] = {
    "opcode": (0, 4), "pe": (4, 6), "parity": (10, 6), "dest": (16, 16), "count": (32, 16), "aux": (48, 16),
}  # fmt: skip

CHECKED_HEADER: dict[str, Field] = {"opcode": (0, 4), "flush": (4, 1), "parity": (10, 6), "dest": (16, 16), "check": (32, 32)}
"""That of CHECKED_OPCODES."""

BARRIERS = (Opcode.WAIT, Opcode.ITEM_END)
CHECKED_OPCODES = (Opcode.START, *BARRIERS)


def header_parity(header: int) -> int:
    """The opcode and the 6-bit digits above it, XORed: 0 in a sound header, so one wrong bit shows, and up to four in a row."""
    parity = header & 15
    for low in range(4, 64, 6):
        parity ^= header >> low & 63
    return parity


def beats_check(beats: bytes, before: int = 0) -> int:
    """The CRC-32 (ISO-HDLC) of the beats since the last barrier, of which those with the check ``before`` came first."""
    return zlib.crc32(beats, before)


CHECK_BYTES = 2
"""Of the mask and of the values of a row record."""


def record_check(part: bytes, before: bytes = bytes(CHECK_BYTES)) -> bytes:
    """The CRC-16 (XMODEM), high byte first, of the mask or the values of a row record with zeros in place of the check.

    ``before`` is that of what came before ``part``.
    """
    return binascii.crc_hqx(part, int.from_bytes(before, "big")).to_bytes(CHECK_BYTES, "big")


PARAM_FIELDS: dict[str, Field] = {"bias": (0, 32), "multiplier": (32, 16), "shift": (48, 6)}

POSITION_FIELDS: dict[str, Field] = {"offset": (0, 16), "dr": (16, 8), "dc": (24, 8)}
"""One partial-sum position of an event: accumulator offset, output row and column displacement (subtracted)."""

# word index -> fields. All unsigned unless noted (two's complement where signed).
PASS_FIELDS: tuple[dict[str, Field], ...] = (
    {  # 0: identity and flags
        "layer": (0, 8),            # counter set to add to
        "op_max": (8, 1),           # maximum instead of multiply-accumulate
        "no_skip": (9, 1),          # emit zero activations too (maximum over signed maps)
        "drain": (10, 1),           # post-process and store the outputs; else partial sums stay for the next pass
        "weight_log2": (11, 2),     # log2 of 8 / bits of a stored weight: 8, 4 or 2 bits
        "in_narrow": (13, 1),       # input values take 4 bits in memory, else 8
        "out_narrow": (14, 1),      # output values likewise
        "n_positions": (16, 8),     # entries of the position table, 1..mask_width
        "slot_log2": (24, 3),       # log2 of mask bits per activation channel
        "targeted": (27, 1),        # an event concerns the PE only that owns the output channel of the same number
        "shared": (28, 1),          # if targeted: all groups use the same slots
        "n_kctx": (32, 8),          # contexts over kernel rows
        "n_gctx": (40, 8),          # contexts over output-channel groups
        "n_last_pes": (48, 8),      # PEs that own a channel of the last group
        "n_planes": (56, 8),        # input planes per row
    },
    {  # 1: input geometry
        "n_rows": (0, 16),          # input rows of the pass
        "n_cols": (16, 16),         # input columns
        "words_per_row": (32, 16),  # detector words per row of one plane
        "unit_words": (48, 8),      # detector words scanned before the next context
        "pitch_log2": (56, 4),      # log2 of channels per pixel when several pixels share a detector word
        "multi_pixel": (60, 1),     # several pixels share a detector word
    },
    {  # 2: input addressing
        "in_region": (0, 2),
        "units_per_pixel": (8, 8),  # units in one pixel; in dense records of ``unit_slots`` channels, or the rest
        "in_value_offset": (16, 16),  # bytes from the start of a row to its packed values
        "in_offset": (32, 32),      # byte offset of the first row of the first plane
    },
    {  # 3
        "in_row_stride": (0, 32),   # bytes
        "in_plane_stride": (32, 32),  # bytes
    },
    {  # 4: which activations exist, for the dense mode: if multi_pixel by these masks, else by in_chans
        "word_mask": (0, 64),       # any detector word but
    },
    {  # 5
        "row_mask": (0, 64),        # the last of a row
    },
    {  # 6: stride phases
        "row_stride": (0, 8), "col_stride": (8, 8),
        "row_phase": (16, 8), "col_phase": (24, 8),      # phase of the first row and column
        "row_quot": (32, 16), "col_quot": (48, 16),      # signed: (coordinate + padding) // stride of the first row and column
    },
    {  # 7: displacement limits per phase (signed): phases below split have reach_hi, the others reach_lo
        "row_split": (0, 8), "row_reach_hi": (8, 8), "row_reach_lo": (16, 8), "kctx_dr": (24, 8),
        "col_split": (32, 8), "col_reach_hi": (40, 8), "col_reach_lo": (48, 8),
    },
    {  # 8: output geometry
        "out_row_first": (0, 16), "n_out_rows": (16, 16), "n_out_cols": (32, 16), "n_groups": (48, 16),
    },
    {  # 9: accumulator addressing, words modulo acc_depth; if targeted, gctx_acc is instead, signed, the input channel of the
       # first output channel, counted from the first plane
        "acc_row_pitch": (0, 16), "acc_col_pitch": (16, 16), "gctx_acc": (32, 16), "ring_rows": (48, 16),
    },
    {  # 10: weight addressing, mask slots; without zero-skipping slot_base is a weight word, a slot n_positions of them
        "slot_base": (0, 24), "ctx_slots": (24, 20), "row_phase_slots": (44, 20),
    },
    {  # 11
        "col_phase_slots": (0, 20), "plane_slots": (20, 20), "unit_slots": (40, 20),
    },
    {  # 12: positions that exist in the last group context, for all PEs and for those beyond n_last_pes
        "last_mask": (0, 64),
    },
    {  # 13
        "partial_mask": (0, 64),
    },
    {  # 14: draining: input rows needed by the first output row (signed), and more for each further one
        "need_first": (0, 16), "need_step": (16, 16), "kctx_acc": (32, 16), "param_row": (48, 16),
    },
    {  # 15: post-processing and encoding
        "clip_low": (0, 8), "clip_high": (8, 8), "threshold": (16, 8),  # signed, signed, unsigned
        "chunks": (24, 12),         # post-processing chunks per pixel, padding included
        "valid_chans": (36, 12),    # channels of the plane
        "chunk_bits": (48, 4),      # mask bits per chunk
        "out_region": (52, 2),
    },
    {  # 16
        "out_offset": (0, 32), "out_row_stride": (32, 32),
    },
    {  # 17
        "out_value_offset": (0, 16), "out_mask_beats": (16, 16), "in_mask_beats": (32, 16),  # dense records: all beats
        "in_chans": (48, 16),       # channels of an input plane
    },
    {  # 18: what the last pass before that writes (drain) must have brought into memory before this one reads
        "awaits_rows": (0, 1),      # 0: this pass reads nothing that it writes
        "in_check_alone": (1, 1),   # records with checks: the last mask beat holds no mask bit
        "rows_awaited": (16, 16),   # signed: rows of it before the first input row, one more for each further row
        "in_pitch": (32, 16),       # values per pixel of dense records
    },
    {  # 19: winners-take-all; places are rows of detector_width channels
        "in_ranked": (0, 1),        # leave out the losers among the input channels,
        "in_winner_row": (1, 8),    # whose marks begin here,
        "in_winner_step": (9, 8),   # rows per plane
        "track_maxima": (17, 1),    # keep the maxima of the output channels
        "first_maxima": (18, 1),    # no pass before has written this plane
        "out_winner_row": (19, 8),  # place of the plane
        "rank_row": (27, 8),        # place of the map, to be ranked after the last output of the pass:
        "rank_rows": (35, 9),       # its rows,
        "n_winners": (44, 13),      # and how many channels win; 0: nothing is ranked
    },
)  # fmt: skip
PASS_WORDS = len(PASS_FIELDS)

SIGNED_FIELDS = frozenset(
    ("row_quot", "col_quot", "row_reach_hi", "row_reach_lo", "col_reach_hi", "col_reach_lo", "need_first", "rows_awaited")
)
"""Pass fields in two's complement; others may be negative modulo their range."""


class Register(IntEnum):
    """AXI4-Lite byte addresses (32-bit registers). Region r has its base at BASE + 8 r and its size at SIZE + 8 r."""

    ID = 0x00
    CONFIG = 0x04
    """Read-only: n_pes [7:0], n_lanes [11:8], n_cores - 1 [15:12], data_width / 8 [23:16], detector_width [31:24]."""
    CONTROL = 0x08
    STATUS = 0x0C
    IRQ_ENABLE = 0x10
    IRQ_STATUS = 0x14
    """Bit 0 done, bit 1 error; write one to clear."""
    ERROR = 0x18
    """ErrorCode of the first error [7:0], and the core that it occurred in [15:8]."""
    MODE = 0x1C
    """Bit 0: dense mode (zero-skipping off)."""
    N_ITEMS = 0x20
    WATCHDOG = 0x24
    """Cycles without a finished packet before error WATCHDOG; 0 turns it off."""
    PROLOGUE_BEATS = 0x28
    BODY_BEATS = 0x2C
    INPUT_STRIDE = 0x30
    OUTPUT_STRIDE = 0x34
    COUNTER_SELECT = 0x38
    """(core * max_layers + layer) * COUNTER_STRIDE + Counter."""
    COUNTER_LOW = 0x3C
    COUNTER_HIGH = 0x40
    ITEMS_DONE = 0x44
    RAM_CORRECTIONS = 0x48
    """Cycles with a corrected word at the output of a protected RAM, since the last RESET; stays at its largest value."""
    BASE = 0x60
    SIZE = 0x64


class Control(IntEnum):
    """Bits of CONTROL (self-clearing)."""

    START = 0
    RESET = 1
    """Wait for the transactions under way, at most RESET_CYCLES, and begin anew."""


class Status(IntEnum):
    """Bits of STATUS."""

    BUSY = 0
    DONE = 1
    ERROR = 2


class ErrorCode(IntEnum):
    """Why the core stopped."""

    NONE = 0
    BAD_PACKET = 1
    """Unknown opcode, or a field out of range for this configuration."""
    BUS_READ = 2
    """An error response, or not as many beats as were asked for."""
    BUS_WRITE = 3
    """An error response, or one before the data were there."""
    BOUNDS = 4
    """An address beyond its region, or a write to PROGRAM or INPUT."""
    WATCHDOG = 5
    PROGRAM_CHECK = 6
    """The parity of a header or the check of the beats before it is wrong: the program was damaged on its way."""
    RAM_CHECK = 7
    """A damaged word was read from a protected RAM (CoreConfig.ram_check) and could not be corrected."""
    RESET_TIMEOUT = 8
    """A RESET gave up, for a response never came. The core swallows what still comes, and does nothing else until another RESET
    finds that nothing is under way."""
    RECORD_CHECK = 9
    """The mask or the values of a row record were damaged (CoreConfig.record_check)."""


class Counter(IntEnum):
    """Per-layer counters of each core, summed over passes and items."""

    CYCLES = 0
    EVENTS = 1
    """Nonzero activations that the detector emitted."""
    MACS = 2
    """Lane operations issued (in dense mode including those with a zero operand)."""
    EFFECTUAL_MACS = 3
    """Lane operations with both operands nonzero."""
    IDLE_STARVED = 4
    """Idle lane-cycles while the detector scanned zeros or a pipeline filled."""
    IDLE_IMBALANCE = 5
    """Idle lane-cycles while another PE's event FIFO was full."""
    IDLE_MEMORY = 6
    """Idle lane-cycles while the detector waited for activations from memory."""
    IDLE_POST = 7
    """Idle lane-cycles while finished output rows held the accumulators."""
    IDLE_DRAIN = 8
    """Idle lane-cycles after the last event of a pass, and while a pass was configured."""
    ACC_ACCESSES = 9
    """Accumulator memory accesses, all PEs: sums evicted from the registers and words drained, each a read and a write."""
    WEIGHT_READS = 10
    """Weight memory rows read, all PEs."""
    MASK_READS = 11
    """Weight-mask words read, all PEs."""
    BEATS_READ = 12
    """Activation beats read over AXI4."""
    BEATS_WRITTEN = 13
    FIFO_PUSHES = 14
    """Events written into PE FIFOs, all PEs."""
    PROGRAM_BEATS = 15
    """Program beats (weights, parameters, pass descriptions) executed since the previous pass ended; one that several cores
    execute counts in each, though it crosses the bus once."""
    RANKING = 16
    """Cycles in which the channels of a map were ranked, counted for the layer in the array: most often the one that reads the
    map and waits for its winners."""
    MAXIMA_ACCESSES = 17
    """Rows of channel maxima read and written for outputs; a cycle of RANKING is another read."""

RESET_CYCLES = 1 << 18
"""That a RESET waits for responses."""

BURST_BYTES_MAX = 256
"""Region bases are multiples of this: bursts are cut at offsets that are, and so never cross a 4 KiB boundary."""
