"""Program sequencer: packets in, memory writes and passes out."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.backend.requantize import PARAM_WIDTH
from quiesce.rtl.lib.bits import bits_for_index, popcount
from quiesce.rtl.lib.layouts import field_shape, pass_layout, registers
from quiesce.rtl.pe.events import acc_addr_width
from quiesce.rtl.program.packets import header_fields
from quiesce.rtl.program.weight_load import load_signature
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import CHECKED_HEADER, PASS_FIELDS, PASS_WORDS, POSITION_FIELDS, Opcode

__all__ = ["Sequencer", "ALL_FIELDS", "position_layout"]

ALL_FIELDS = tuple(name for word in PASS_FIELDS for name in word)


def position_layout(config: CoreConfig) -> data.StructLayout:
    """Entry of the position table of a pass: accumulator offset and output displacement of a position."""
    shapes = {name: field_shape(field) for name, field in POSITION_FIELDS.items()}
    return data.StructLayout(shapes | {"offset": acc_addr_width(config)})


class Sequencer(wiring.Component):
    """Executes the packets of isa.Opcode in order.

    Weights and parameters go to their memories at one beat of masks, weight row or channel per cycle, also while a pass runs; the
    compiler keeps them out of what the running pass uses. PASS is received and checked while the pass before runs, and START
    offers it until it has begun in the array; so the packets behind may overwrite what older passes used. An unknown opcode, a
    packet out of turn, a bad field or a target outside the configured memories raises ``bad_packet``, and nothing is executed any
    more.

    Members
    -------
    i_beats : the program
    load, load_pe : write ports of the weight memories
    param_en, param_chan, param_data : write port of the parameter memory
    params_ready : no pass but the array's uses parameters
    config, positions : the pass described, and its position table
    described, offered, taken : there is a pass, it may begin, and it begins in the array (pulse)
    passes_done : no pass is running, nor are writes under way
    counters_ready : the counters of the last pass have been moved to their set
    flush, flush_layer : pulse, move the live counters to a set (WAIT with ``flush``)
    item_end, item_ready : pulse, and whether one may be given
    progress : pulse, a packet was begun (for the watchdog)
    idle : no packet is under way
    bad_packet : sticky until reset
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "i_beats": In(stream.Signature(unsigned(config.data_width))),
                "load": Out(load_signature(config)),
                "load_pe": Out(bits_for_index(config.n_pes)),
                "param_en": Out(1),
                "param_chan": Out(16),
                "param_data": Out(PARAM_WIDTH),
                "params_ready": In(1),
                "config": Out(pass_layout(*ALL_FIELDS)),
                "positions": Out(position_layout(config)).array(config.mask_width),
                "described": Out(1),
                "offered": Out(1),
                "taken": In(1),
                "passes_done": In(1),
                "counters_ready": In(1),
                "flush": Out(1),
                "flush_layer": Out(bits_for_index(config.max_layers)),
                "item_end": Out(1),
                "item_ready": In(1),
                "progress": Out(1),
                "idle": Out(1),
                "bad_packet": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        core = self._config
        self._fields = registers(m, self.config, "field")
        self._table = [Signal(position_layout(core), name=f"position_{p}", reset_less=True) for p in range(core.mask_width)]
        m.d.comb += [out.eq(entry) for out, entry in zip(self.positions, self._table, strict=True)]
        beat = self.i_beats.payload
        header = header_fields(beat)
        pe = Signal(bits_for_index(core.n_pes), reset_less=True)
        dest = Signal(16, reset_less=True)
        left = Signal(16, reset_less=True)
        index = Signal(16, reset_less=True)
        aux = Signal(16, reset_less=True)
        flushes = Signal(reset_less=True)
        part = Signal(range(max(2, core.data_width // 64)))

        def consume(parts: int):
            """One of ``parts`` pieces of the beat has been used; the packet ends with its last piece."""
            last = left == 1
            m.d.sync += [left.eq(left - 1), index.eq(index + 1)]
            if parts > 1:
                m.d.comb += self.i_beats.ready.eq(last | (part == parts - 1))
                m.d.sync += part.eq(Mux(last | (part == parts - 1), 0, part + 1))
            else:
                m.d.comb += self.i_beats.ready.eq(1)
            with m.If(last):
                m.next = "HEADER"

        words = core.data_width // 64
        word = beat.word_select(part[: max(1, words.bit_length() - 1)], 64) if words > 1 else beat
        beat_bits = (core.data_width // core.mask_width).bit_length() - 1  # of the number of mask words in a beat

        end = Signal(17)
        m.d.comb += end.eq(header["dest"] + header["count"])
        m.d.comb += [
            self.load_pe.eq(pe),
            self.load.row_addr.eq(dest + index),
            self.load.row.eq(beat),
            self.param_chan.eq(dest + index),
            self.param_data.eq(word[:PARAM_WIDTH]),
            self.flush_layer.eq(dest),
        ]

        with m.FSM():
            with m.State("HEADER"):
                m.d.comb += [self.idle.eq(1), self.i_beats.ready.eq(1), self.progress.eq(self.i_beats.valid)]
                m.d.sync += [
                    pe.eq(header["pe"]), dest.eq(header["dest"]), left.eq(header["count"]), aux.eq(header["aux"]), index.eq(0),
                    flushes.eq(beat[CHECKED_HEADER["flush"].low]),
                ]  # fmt: skip
                bad_pe, empty = header["pe"] >= core.n_pes, header["count"] == 0
                with m.If(self.i_beats.valid):
                    m.next = "BAD"
                    with m.Switch(header["opcode"]):
                        if core.zero_skipping:
                            with m.Case(Opcode.MASKS):
                                aligned = header["dest"][:beat_bits] == 0
                                with m.If(~bad_pe & ~empty & aligned & (end <= core.mask_depth)):
                                    m.d.sync += left.eq((header["count"] + (1 << beat_bits) - 1) >> beat_bits)
                                    m.next = "MASKS"
                        with m.Case(Opcode.VALUES):
                            with m.If(~bad_pe & ~empty & (end <= core.weight_depth)):
                                m.next = "VALUES"
                        with m.Case(Opcode.PARAMS):
                            with m.If(~empty & (end <= core.param_depth)):
                                m.next = "PARAMS"
                        with m.Case(Opcode.PASS):
                            entries = header["count"] - PASS_WORDS  # two positions each
                            with m.If(~self.described & (entries > 0) & (entries <= core.mask_width // 2)):
                                m.next = "PASS"
                        with m.Case(Opcode.WAIT):
                            with m.If(header["dest"] < core.max_layers):
                                m.next = "WAIT"
                        with m.Case(Opcode.ITEM_END):
                            with m.If(~self.described):
                                m.next = "ITEM END"
                        with m.Case(Opcode.START):
                            with m.If(self.described):
                                m.next = "OFFER"
            if core.zero_skipping:
                with m.State("MASKS"):
                    with m.If(self.i_beats.valid):
                        self._load_masks(m, beat, (dest >> beat_bits) + index, aux)
                        consume(1)
            with m.State("VALUES"):
                with m.If(self.i_beats.valid):
                    m.d.comb += self.load.row_en.eq(1)
                    consume(1)
            with m.State("PARAMS"):
                with m.If(self.i_beats.valid & self.params_ready):
                    m.d.comb += self.param_en.eq(1)
                    consume(words)
            with m.State("PASS"):
                with m.If(self.i_beats.valid):
                    self._load_word(m, index, word)
                    consume(words)
                    with m.If(left == 1):
                        m.next = "CHECK"
            with m.State("CHECK"):
                config = self.config
                sane = (config.n_positions >= 1) & (config.n_positions <= core.mask_width) & (config.layer < core.max_layers)
                m.next = "BAD"
                if not core.single_pe_events:
                    sane &= ~config.targeted
                if not core.winner_depth:
                    sane &= ~(config.in_ranked | config.track_maxima | (config.n_winners != 0))
                ok = sane & (config.n_cols <= core.max_cols) & (config.n_rows != 0) & (config.n_planes != 0)
                with m.If(ok):
                    m.d.sync += self.described.eq(1)
                    m.next = "HEADER"
            with m.State("OFFER"):
                m.d.comb += self.offered.eq(1)
                with m.If(self.taken):
                    m.d.sync += self.described.eq(0)
                    m.next = "HEADER"
            with m.State("WAIT"):
                with m.If(self.passes_done & self.item_ready & self.counters_ready):
                    m.d.comb += self.flush.eq(flushes)
                    m.next = "HEADER"
            with m.State("ITEM END"):
                with m.If(self.item_ready):
                    m.d.comb += self.item_end.eq(1)
                    m.next = "HEADER"
            with m.State("BAD"):
                m.d.comb += self.bad_packet.eq(1)
        return m

    def _load_masks(self, m, beat, addr, first):
        """Store a beat of mask words, each with the index of its lowest packed weight; ``first`` counts them."""
        m.d.comb += [self.load.mask_en.eq(1), self.load.mask_addr.eq(addr)]
        width = self._config.mask_width
        for i in range(self._config.data_width // width):
            below = beat[: i * width]
            m.d.comb += [
                self.load.mask[i].mask.eq(beat.word_select(i, width)),
                self.load.mask[i].index.eq(first + (popcount(below) if i else 0)),
            ]
        m.d.sync += first.eq(first + popcount(beat))

    def _load_word(self, m, index, word):
        """Store payload word ``index`` of a PASS packet in its fields.

        Each field and each entry of the table is a register of its own: narrow ones cost a simulator least.
        """
        with m.Switch(index):
            for i, fields in enumerate(PASS_FIELDS):
                with m.Case(i):
                    for name, field in fields.items():
                        m.d.sync += self._fields[name].eq(word[field.bits])
            for i in range(self._config.mask_width // 2):
                with m.Case(PASS_WORDS + i):
                    for half in (0, 1):
                        entry, table = word.word_select(half, 32), self._table[2 * i + half]
                        for name, field in POSITION_FIELDS.items():
                            m.d.sync += table[name].eq(entry[field.bits])
