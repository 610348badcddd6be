"""Weights of one PE: mask words and packed nonzeros."""

from amaranth import Array, Module, Signal, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.bits import bits_for_index
from quiesce.rtl.weight_select import WeightSelect
from quiesce.sw.config import CoreConfig
from quiesce.sw.format.geometry import ceil_div

__all__ = ["WeightMemory", "mask_beat_layout", "mask_entry_layout"]


def mask_entry_layout(config: CoreConfig) -> data.StructLayout:
    """A mask word and the index of the packed weight of its lowest set bit."""
    return data.StructLayout({"mask": unsigned(config.mask_width), "index": unsigned(config.weight_index_width)})


def mask_beat_layout(config: CoreConfig) -> data.ArrayLayout:
    """The mask entries of one beat, written together."""
    return data.ArrayLayout(mask_entry_layout(config), config.data_width // config.mask_width)


class WeightMemory(wiring.Component):
    """Two memories with one read and one write port each: mask words, and rows of packed weights.

    Masks lie in as many banks as a beat has mask words, so that a beat of them is written at once; a read is that of one bank.

    Latency: one cycle for masks and for weights. Throughput: one of each per cycle. A row is read from the memory only when the
    wanted weight is not in the row last read, so walking packed weights costs one access per row.

    Members
    -------
    mask_en, mask_addr : read a mask word; ``mask`` holds it from the next cycle until the next read
    weight_log2 : log2 of 8 / bits of a stored weight (see WeightSelect); stable during a pass
    index_en, index : read a packed weight word; ``weight`` holds its lanes, 8 bits each, from the next cycle on
    row_read : a row is read from the weight memory this cycle (for the counters)
    load_mask_en, load_mask_addr, load_mask : write a beat of mask entries
    load_row_en, load_row_addr, load_row : write a row of weights
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "mask_en": In(1),
                "mask_addr": In(bits_for_index(config.mask_depth)),
                "mask": Out(mask_entry_layout(config)),
                "index_en": In(1),
                "weight_log2": In(2),
                "index": In(config.weight_index_width),
                "weight": Out(8 * config.n_lanes),
                "row_read": Out(1),
                "load_mask_en": In(1),
                "load_mask_addr": In(bits_for_index(config.mask_depth)),
                "load_mask": In(mask_beat_layout(config)),
                "load_row_en": In(1),
                "load_row_addr": In(bits_for_index(config.weight_depth)),
                "load_row": In(config.data_width),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config

        entry = mask_entry_layout(config)
        n_banks = config.data_width // config.mask_width
        bank_bits = n_banks.bit_length() - 1
        held_bank = Signal(range(max(2, n_banks)), reset_less=True)
        banks = []
        for bank in range(n_banks):
            m.submodules[f"masks_{bank}"] = mem = memory.Memory(shape=entry, depth=ceil_div(config.mask_depth, n_banks), init=[])
            write, read = mem.write_port(), mem.read_port()
            m.d.comb += [
                read.addr.eq(self.mask_addr[bank_bits:]),
                read.en.eq(self.mask_en & (self.mask_addr[:bank_bits] == bank)),
                write.addr.eq(self.load_mask_addr),
                write.data.eq(self.load_mask[bank]),
                write.en.eq(self.load_mask_en),
            ]
            banks.append(read.data.as_value())
        with m.If(self.mask_en):
            m.d.sync += held_bank.eq(self.mask_addr[:bank_bits])
        m.d.comb += self.mask.eq(Array(banks)[held_bank])

        m.submodules.select = select = WeightSelect(config)
        m.submodules.rows = rows = memory.Memory(shape=unsigned(config.data_width), depth=config.weight_depth, init=[])
        row_write, row_read = rows.write_port(), rows.read_port()
        word = Signal(len(select.word), reset_less=True)
        held_row, held = Signal(bits_for_index(config.weight_depth), reset_less=True), Signal()
        wanted_row = Signal.like(held_row)
        with m.Switch(self.weight_log2):
            for weight_log2, bits in enumerate((8, 4, 2)):
                with m.Case(weight_log2):
                    m.d.comb += wanted_row.eq(self.index >> (config.words_per_row(bits) - 1).bit_length())
        m.d.comb += [
            self.row_read.eq(self.index_en & ~(held & (held_row == wanted_row))),
            row_read.addr.eq(wanted_row),
            row_read.en.eq(self.row_read),
            row_write.addr.eq(self.load_row_addr),
            row_write.data.eq(self.load_row),
            row_write.en.eq(self.load_row_en),
        ]
        with m.If(self.index_en):
            m.d.sync += [word.eq(self.index), held_row.eq(wanted_row), held.eq(1)]
        with m.If(self.load_row_en):
            m.d.sync += held.eq(0)  # the row in the output register may have been rewritten
        m.d.comb += [
            select.packed.eq(row_read.data),
            select.weight_log2.eq(self.weight_log2),
            select.word.eq(word),
            self.weight.eq(select.weight),
        ]
        return m
