"""Program sequencer: packets in, memory writes and passes out."""

from typing import Any

from amaranth import Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.backend.requantize import PARAM_WIDTH
from quiesce.rtl.lib.bits import bits_for_index, popcount
from quiesce.rtl.lib.layouts import field_shape, pass_layout, registers
from quiesce.rtl.pe.interfaces import acc_addr_width, load_signature
from quiesce.rtl.program.packets import header_fields
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import CHECKED_HEADER, PASS_FIELDS, PASS_WORDS, POSITION_FIELDS, Opcode

__all__ = ["Sequencer", "ALL_FIELDS", "position_layout"]

ALL_FIELDS = tuple(name for word in PASS_FIELDS for name in word)


def position_layout(config: CoreConfig) -> data.StructLayout:
    """Entry of the position table of a pass: accumulator offset and output displacement of a position."""
    shapes = {name: field_shape(field) for name, field in POSITION_FIELDS.items()}
    return data.StructLayout(shapes | {"offset": acc_addr_width(config)})


class _Packet:
    """Registers of the packet under way: what its header said, and how far it is (``left``, ``index``, ``part`` of a beat)."""

    def __init__(self, config: CoreConfig):
        self.pe = Signal(bits_for_index(config.n_pes), reset_less=True)
        self.dest = Signal(16, reset_less=True)
        self.left = Signal(16, reset_less=True)
        self.index = Signal(16, reset_less=True)
        self.aux = Signal(16, reset_less=True)
        self.flushes = Signal(reset_less=True)
        self.part = Signal(range(max(2, config.data_width // 64)))


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

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        core = self._config
        self._fields = registers(m, self.config, "field")
        self._table = [Signal(position_layout(core), name=f"position_{p}", reset_less=True) for p in range(core.mask_width)]
        m.d.comb += [out.eq(entry) for out, entry in zip(self.positions, self._table, strict=True)]
        packet = _Packet(core)
        words = core.data_width // 64
        beat = self.i_beats.payload
        word = beat.word_select(packet.part[: max(1, words.bit_length() - 1)], 64) if words > 1 else beat
        m.d.comb += [
            self.load_pe.eq(packet.pe),
            self.load.row_addr.eq(packet.dest + packet.index),
            self.load.row.eq(beat),
            self.param_chan.eq(packet.dest + packet.index),
            self.param_data.eq(word[:PARAM_WIDTH]),
            self.flush_layer.eq(packet.dest),
        ]
        good = self._good_headers(m)
        with m.FSM():
            with m.State("HEADER"):
                self._begin(m, packet, good)
            if core.zero_skipping:
                with m.State("MASKS"), m.If(self.i_beats.valid):
                    self._load_masks(m, packet)
                    self._consume(m, packet, 1)
            with m.State("VALUES"), m.If(self.i_beats.valid):
                m.d.comb += self.load.row_en.eq(1)
                self._consume(m, packet, 1)
            with m.State("PARAMS"), m.If(self.i_beats.valid & self.params_ready):
                m.d.comb += self.param_en.eq(1)
                self._consume(m, packet, words)
            with m.State("PASS"), m.If(self.i_beats.valid):
                self._load_word(m, packet.index, word)
                self._consume(m, packet, words)
                with m.If(packet.left == 1):
                    m.next = "CHECK"
            self._pass_states(m)
            self._barrier_states(m, packet)
            with m.State("BAD"):
                m.d.comb += self.bad_packet.eq(1)
        return m

    def _begin(self, m: Module, packet: _Packet, good: dict[Opcode, Value]) -> None:
        """Take a header, keep what it says, and go to its packet's state, unless it is not ``good``."""
        header = header_fields(self.i_beats.payload)
        m.d.comb += [self.idle.eq(1), self.i_beats.ready.eq(1), self.progress.eq(self.i_beats.valid)]
        m.d.sync += [
            packet.pe.eq(header["pe"]), packet.dest.eq(header["dest"]), packet.left.eq(header["count"]),
            packet.aux.eq(header["aux"]), packet.index.eq(0),
            packet.flushes.eq(self.i_beats.payload[CHECKED_HEADER["flush"].low]),
        ]  # fmt: skip
        with m.If(self.i_beats.valid):
            m.next = "BAD"
            with m.Switch(header["opcode"]):
                for opcode, condition in good.items():
                    with m.Case(opcode), m.If(condition):
                        m.next = opcode.name
                        if opcode is Opcode.MASKS:
                            beat_bits = self._mask_bits
                            m.d.sync += packet.left.eq((header["count"] + (1 << beat_bits) - 1) >> beat_bits)

    def _good_headers(self, m: Module) -> dict[Opcode, Value]:
        """For each opcode whether a header of it is right."""
        core, header = self._config, header_fields(self.i_beats.payload)
        end = Signal(17)
        m.d.comb += end.eq(header["dest"] + header["count"])
        bad_pe, empty = header["pe"] >= core.n_pes, header["count"] == 0
        entries = header["count"] - PASS_WORDS  # two positions each
        masks = {Opcode.MASKS: ~bad_pe & ~empty & (header["dest"][: self._mask_bits] == 0) & (end <= core.mask_depth)}
        return (masks if core.zero_skipping else {}) | {
            Opcode.VALUES: ~bad_pe & ~empty & (end <= core.weight_depth),
            Opcode.PARAMS: ~empty & (end <= core.param_depth),
            Opcode.PASS: ~self.described & (entries > 0) & (entries <= core.mask_width // 2),
            Opcode.WAIT: header["dest"] < core.max_layers,
            Opcode.ITEM_END: ~self.described,
            Opcode.START: self.described,
        }

    @property
    def _mask_bits(self) -> int:
        """log2 of the number of mask words in a beat."""
        return (self._config.data_width // self._config.mask_width).bit_length() - 1

    def _consume(self, m: Module, packet: _Packet, parts: int) -> None:
        """One of ``parts`` pieces of the beat has been used; the packet ends with its last piece."""
        last, part = packet.left == 1, packet.part
        m.d.sync += [packet.left.eq(packet.left - 1), packet.index.eq(packet.index + 1)]
        if parts > 1:
            m.d.comb += self.i_beats.ready.eq(last | (part == parts - 1))
            m.d.sync += part.eq(Mux(last | (part == parts - 1), 0, part + 1))
        else:
            m.d.comb += self.i_beats.ready.eq(1)
        with m.If(last):
            m.next = "HEADER"

    def _pass_states(self, m: Module) -> None:
        """Check a pass that has been received, and offer it when told to."""
        core, config = self._config, self.config
        with m.State("CHECK"):
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
        with m.State("START"):
            m.d.comb += self.offered.eq(1)
            with m.If(self.taken):
                m.d.sync += self.described.eq(0)
                m.next = "HEADER"

    def _barrier_states(self, m: Module, packet: _Packet) -> None:
        with m.State("WAIT"):
            with m.If(self.passes_done & self.item_ready & self.counters_ready):
                m.d.comb += self.flush.eq(packet.flushes)
                m.next = "HEADER"
        with m.State("ITEM_END"):
            with m.If(self.item_ready):
                m.d.comb += self.item_end.eq(1)
                m.next = "HEADER"

    def _load_masks(self, m: Module, packet: _Packet) -> None:
        """Store a beat of mask words, each with the index of its lowest packed weight; ``aux`` counts them."""
        beat, first = self.i_beats.payload, packet.aux
        m.d.comb += [self.load.mask_en.eq(1), self.load.mask_addr.eq((packet.dest >> self._mask_bits) + packet.index)]
        width = self._config.mask_width
        for i in range(self._config.data_width // width):
            below = beat[: i * width]
            m.d.comb += [
                self.load.mask[i].mask.eq(beat.word_select(i, width)),
                self.load.mask[i].index.eq(first + (popcount(below) if i else 0)),
            ]
        m.d.sync += first.eq(first + popcount(beat))

    def _load_word(self, m: Module, index: Signal, word: Value) -> None:
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
