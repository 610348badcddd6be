"""Programs of a core: packets, their fields, and the description of a pass.

A program is a stream of packets, each a header beat followed by payload beats (a beat is ``CoreConfig.data_width`` bits,
little-endian). The prologue is fetched once and then the body once per item (input image); there are no branches. All cores
see the one stream; each executes the packets that are for it in order, and all meet at WAIT and ITEM_END.
Payload words are 64 bits; a beat of 128 bits holds two, the lower first, and a packet's last beat is padded with zeros.

A program checks itself. The parity of a header (``header_parity``) shows that its opcode, target and length are right before any
of them takes effect. START, WAIT and ITEM_END, which make use of what was loaded, carry the CRC of every beat since the last WAIT
or ITEM_END (``beats_check``), whichever core it was for: one that does not fit is not executed but stops all with PROGRAM_CHECK.
"""

from quiesce.spec.fields import Documented, Field, Layout

__all__ = [
    "BARRIERS", "BURST_BEATS", "BURST_BYTES_MAX", "CHECKED_HEADER", "CHECKED_OPCODES", "HEADER", "PARAM_FIELDS", "PASS_FIELDS",
    "PASS_WORDS", "POSITION_FIELDS", "Opcode", "Region",
]  # fmt: skip

BURST_BEATS = 16
"""Longest AXI4 burst. Bursts never cross a multiple of this many beats, hence never a 4 KiB boundary."""

BURST_BYTES_MAX = BURST_BEATS * 16
"""Of beats of 128 bits, the widest. Region bases are multiples of this: bursts are cut at offsets that are."""


class Opcode(Documented):
    """Packet kinds; ``count`` in the header is the payload in 64-bit words (in beats for VALUES)."""

    MASKS = (
        1,
        "Weight masks of PE `pe` from mask word `dest` on, which begins a beat; `aux` is the index of the first packed "
        "weight word. Payload: mask words of `mask_width` bits, packed; `count` is the number of mask words.",
    )
    VALUES = 2, "Packed weights of PE `pe` from memory row `dest` on, one row per beat; `count` rows."
    PARAMS = 3, "Requantisation parameters from parameter row `dest` on; `count` channels, one word each."
    PASS = (
        4,
        "Describe a pass: its words, then the position table, two positions per word. From now on its activations may be "
        "read; what its input depends on beyond the rows that it awaits has to be in memory or under way.",
    )
    WAIT = (
        5,
        "Hold the stream until the passes in flight, of all cores, have finished. `flush`: then add the counters of every "
        "core since the last time to its set `dest`.",
    )
    ITEM_END = (
        6,
        "Advance the input and output regions by their strides for the passes that follow. Several cores hold like WAIT.",
    )
    CORES = (
        7,
        "Only the cores whose bits are set in `dest` execute the packets that follow, up to the next CORES, WAIT or "
        "ITEM_END. The latter two are for all cores, and so is what follows them. Unknown to a core that is alone.",
    )
    START = (
        8,
        "Run the pass that was described last. What is loaded between the two is there for it. Between PASS and START there "
        "is no other PASS, nor ITEM_END.",
    )


class Region(Documented):
    """Memory regions: addresses in a program are offsets into one of these, checked against its size."""

    PROGRAM = 0, "packets, never written"
    SCRATCH = 1, "maps between layers"
    INPUT = 2, "maps of the items, never written"
    OUTPUT = 3, "maps of the items"


BARRIERS = (Opcode.WAIT, Opcode.ITEM_END)
CHECKED_OPCODES = (Opcode.START, *BARRIERS)

_OPCODE = Field(0, 4, "Opcode")
_PARITY = Field(10, 6, "makes the parity of the header 0")
_DEST = Field(16, 16, "where to: word, row, set or bits of cores, see Opcode")

HEADER = Layout({
    "opcode": _OPCODE,
    "pe": Field(4, 6, "processing element"),
    "parity": _PARITY,
    "dest": _DEST,
    "count": Field(32, 16, "payload, see Opcode"),
    "aux": Field(48, 16, "see Opcode"),
}, about="header of a packet")  # fmt: skip

CHECKED_HEADER = Layout({
    "opcode": _OPCODE,
    "flush": Field(4, 1, "of WAIT: move the counters"),
    "parity": _PARITY,
    "dest": _DEST,
    "check": Field(32, 32, "CRC of the beats since the last WAIT or ITEM_END"),
}, about="header of START, WAIT and ITEM_END")  # fmt: skip

PARAM_FIELDS = Layout({
    "bias": Field(0, 32, signed=True),
    "multiplier": Field(32, 16),
    "shift": Field(48, 6),
}, about="requantisation of an output channel")  # fmt: skip

POSITION_FIELDS = Layout({
    "offset": Field(0, 16, "accumulators from those of the context on"),
    "dr": Field(16, 8, "rows that its output lies before that of the context", signed=True),
    "dc": Field(24, 8, "columns that it does", signed=True),
}, width=32, about="a partial sum that an event may touch")  # fmt: skip

PASS_FIELDS = (
    Layout({
        "layer": Field(0, 8, "counter set to add to"),
        "op_max": Field(8, 1, "maximum instead of multiply-accumulate"),
        "no_skip": Field(9, 1, "emit zero activations too (maximum over signed maps)"),
        "drain": Field(10, 1, "post-process and store the outputs; else partial sums stay for the next pass"),
        "weight_log2": Field(11, 2, "log2 of 8 / bits of a stored weight: 8, 4 or 2 bits"),
        "in_narrow": Field(13, 1, "input values take 4 bits in memory, else 8"),
        "out_narrow": Field(14, 1, "output values likewise"),
        "n_positions": Field(16, 8, "entries of the position table, 1..mask_width"),
        "slot_log2": Field(24, 3, "log2 of mask bits per activation channel"),
        "targeted": Field(27, 1, "an event concerns the PE only that owns the output channel of the same number"),
        "shared": Field(28, 1, "if targeted: all groups use the same slots"),
        "n_kctx": Field(32, 8, "contexts over kernel rows"),
        "n_gctx": Field(40, 8, "contexts over output-channel groups"),
        "n_last_pes": Field(48, 8, "PEs that own a channel of the last group"),
        "n_planes": Field(56, 8, "input planes per row"),
    }, about="identity and flags"),
    Layout({
        "n_rows": Field(0, 16, "input rows of the pass"),
        "n_cols": Field(16, 16, "input columns"),
        "words_per_row": Field(32, 16, "detector words per row of one plane"),
        "unit_words": Field(48, 8, "detector words scanned before the next context"),
        "pitch_log2": Field(56, 4, "log2 of channels per pixel when several pixels share a detector word"),
        "multi_pixel": Field(60, 1, "several pixels share a detector word"),
    }, about="input geometry"),
    Layout({
        "in_region": Field(0, 2, "Region"),
        "units_per_pixel": Field(8, 8, "units in one pixel; in dense records of `unit_slots` channels, or the rest"),
        "in_value_offset": Field(16, 16, "bytes from the start of a row to its packed values"),
        "in_offset": Field(32, 32, "byte offset of the first row of the first plane"),
    }, about="input addressing"),
    Layout({
        "in_row_stride": Field(0, 32, "bytes from row to row"),
        "in_plane_stride": Field(32, 32, "bytes from plane to plane"),
    }, about="input addressing"),
    Layout({
        "word_mask": Field(0, 64, "of any detector word but the last of a row"),
    }, about="activations that exist, for the dense mode: if multi_pixel by these masks, else by in_chans"),
    Layout({
        "row_mask": Field(0, 64, "of the last detector word of a row"),
    }, about="activations that exist"),
    Layout({
        "row_stride": Field(0, 8, "of the window, input rows"),
        "col_stride": Field(8, 8, "input columns"),
        "row_phase": Field(16, 8, "(coordinate + padding) mod stride of the first row"),
        "col_phase": Field(24, 8, "of the first column"),
        "row_quot": Field(32, 16, "(coordinate + padding) // stride of the first row", signed=True),
        "col_quot": Field(48, 16, "of the first column", signed=True),
    }, about="stride phases"),
    Layout({
        "row_split": Field(0, 8, "phases below it have reach_hi, the others reach_lo"),
        "row_reach_hi": Field(8, 8, "largest displacement in rows", signed=True),
        "row_reach_lo": Field(16, 8, "largest displacement in rows", signed=True),
        "kctx_dr": Field(24, 8, "displacement from a context over kernel rows to the next"),
        "col_split": Field(32, 8, "as row_split"),
        "col_reach_hi": Field(40, 8, "largest displacement in columns", signed=True),
        "col_reach_lo": Field(48, 8, "largest displacement in columns", signed=True),
    }, about="displacements that exist, by phase"),
    Layout({
        "out_row_first": Field(0, 16, "first output row of the pass, in the rows that quotients count"),
        "n_out_rows": Field(16, 16),
        "n_out_cols": Field(32, 16),
        "n_groups": Field(48, 16, "output channels over lanes, rounded up"),
    }, about="output geometry"),
    Layout({
        "acc_row_pitch": Field(0, 16, "from output row to output row"),
        "acc_col_pitch": Field(16, 16, "from column to column"),
        "gctx_acc": Field(
            32, 16, "from context to context over groups; if targeted the input channel of the first output channel, from the "
            "first plane on", signed=True,
        ),
        "ring_rows": Field(48, 16, "output rows that accumulators hold"),
    }, about="accumulators, words modulo acc_depth"),
    Layout({
        "slot_base": Field(0, 24, "first slot; without zero-skipping first weight word, and a slot has n_positions of them"),
        "ctx_slots": Field(24, 20, "from context to context"),
        "row_phase_slots": Field(44, 20, "from row phase to row phase"),
    }, about="weights, mask slots"),
    Layout({
        "col_phase_slots": Field(0, 20, "from column phase to column phase"),
        "plane_slots": Field(20, 20, "from plane to plane"),
        "unit_slots": Field(40, 20, "from unit to unit"),
    }, about="weights, mask slots"),
    Layout({
        "last_mask": Field(0, 64, "for all PEs"),
    }, about="positions that exist in the last context over groups"),
    Layout({
        "partial_mask": Field(0, 64, "for PEs from n_last_pes on"),
    }, about="positions that exist in the last context over groups"),
    Layout({
        "need_first": Field(0, 16, "input rows that the first output row needs", signed=True),
        "need_step": Field(16, 16, "more for each further one"),
        "kctx_acc": Field(32, 16, "accumulators from context to context over kernel rows"),
        "param_row": Field(48, 16, "parameters of the first output channel"),
    }, about="draining"),
    Layout({
        "clip_low": Field(0, 8, signed=True),
        "clip_high": Field(8, 8, signed=True),
        "threshold": Field(16, 8, "outputs from 0 to below it become 0"),
        "chunks": Field(24, 12, "post-processing chunks per pixel, padding included"),
        "valid_chans": Field(36, 12, "channels of the plane"),
        "chunk_bits": Field(48, 4, "mask bits per chunk"),
        "out_region": Field(52, 2, "Region"),
    }, about="post-processing and encoding"),
    Layout({
        "out_offset": Field(0, 32, "byte offset of the first row"),
        "out_row_stride": Field(32, 32, "bytes from row to row"),
    }, about="output addressing"),
    Layout({
        "out_value_offset": Field(0, 16, "bytes from the start of a row to its packed values"),
        "out_mask_beats": Field(16, 16, "beats of a row's masks; dense records: all its beats"),
        "in_mask_beats": Field(32, 16, "of an input row likewise"),
        "in_chans": Field(48, 16, "channels of an input plane"),
    }, about="records"),
    Layout({
        "awaits_rows": Field(0, 1, "0: this pass reads nothing that the last one before that drains writes"),
        "in_check_alone": Field(1, 1, "records with checks: the last mask beat holds no mask bit"),
        "in_delta": Field(2, 1, "inputs are changes since the item before: sums are added to those kept, and kept"),
        "out_delta": Field(3, 1, "outputs are stored as changes of what was sent last"),
        "gated": Field(4, 1, "outputs within `delta_threshold` of what was sent last are not sent"),
        "in_wide": Field(5, 1, "input values take 16 bits in memory"),
        "out_wide": Field(6, 1, "output values likewise"),
        "delta_threshold": Field(8, 8, "or register DELTA_THRESHOLD, if that is more"),
        "rows_awaited": Field(
            16, 16, "rows that it must have in memory before the first input row is read, one more for each further row",
            signed=True,
        ),
        "in_pitch": Field(32, 16, "values per pixel of dense records"),
        "state_row": Field(48, 16, "row of the state memory for the first `post_units` outputs"),
    }, about="the pass before, and the item before"),
    Layout({
        "in_ranked": Field(0, 1, "leave out the losers among the input channels"),
        "in_winner_row": Field(1, 8, "place of their marks"),
        "in_winner_step": Field(9, 8, "rows of marks per plane"),
        "track_maxima": Field(17, 1, "keep the maxima of the output channels"),
        "first_maxima": Field(18, 1, "no pass before has written this plane"),
        "out_winner_row": Field(19, 8, "place of the plane"),
        "rank_row": Field(27, 8, "place of the map that is ranked after the last output of the pass"),
        "rank_rows": Field(35, 9, "its rows"),
        "n_winners": Field(44, 13, "channels that win; 0: nothing is ranked"),
    }, about="winners-take-all; places are rows of detector_width channels"),
)  # fmt: skip
"""The words of a pass description, in order."""

PASS_WORDS = len(PASS_FIELDS)
