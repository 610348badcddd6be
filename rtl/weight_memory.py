"""Weights of one PE: mask words and packed nonzeros."""

from amaranth import Array, Cat, Const, Module, Signal, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.bits import bits_for_index
from quiesce.sw.config import CoreConfig

__all__ = ["WeightMemory", "mask_entry_layout"]


def mask_entry_layout(config: CoreConfig) -> data.StructLayout:
    """A mask word and the index of the packed weight of its lowest set bit."""
    return data.StructLayout({"mask": unsigned(config.mask_width), "index": unsigned(weight_index_width(config))})


def weight_index_width(config: CoreConfig) -> int:
    """Bits of the index of a packed weight word (``n_lanes`` weights)."""
    return bits_for_index(config.weight_depth * config.weights_per_row)


class WeightMemory(wiring.Component):
    """Two memories with one read and one write port each: mask words, and rows of packed weights.

    Latency: one cycle for masks and for weights. Throughput: one of each per cycle. A row is read from the memory only when the
    wanted weight is not in the row last read, so walking packed weights costs one access per row.

    Members
    -------
    mask_en, mask_addr : read a mask word; ``mask`` holds it from the next cycle until the next read
    index_en, index : read a packed weight word; ``weight`` holds its lanes from the next cycle on
    row_read : a row is read from the weight memory this cycle (for the counters)
    load_mask_en, load_mask_addr, load_mask : write a mask entry
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
                "index": In(weight_index_width(config)),
                "weight": Out(8 * config.n_lanes),
                "row_read": Out(1),
                "load_mask_en": In(1),
                "load_mask_addr": In(bits_for_index(config.mask_depth)),
                "load_mask": In(mask_entry_layout(config)),
                "load_row_en": In(1),
                "load_row_addr": In(bits_for_index(config.weight_depth)),
                "load_row": In(config.data_width),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config

        m.submodules.masks = masks = memory.Memory(shape=mask_entry_layout(config), depth=config.mask_depth, init=[])
        mask_write, mask_read = masks.write_port(), masks.read_port()
        m.d.comb += [
            mask_read.addr.eq(self.mask_addr),
            mask_read.en.eq(self.mask_en),
            self.mask.eq(mask_read.data),
            mask_write.addr.eq(self.load_mask_addr),
            mask_write.data.eq(self.load_mask),
            mask_write.en.eq(self.load_mask_en),
        ]

        m.submodules.rows = rows = memory.Memory(shape=unsigned(config.data_width), depth=config.weight_depth, init=[])
        row_write, row_read = rows.write_port(), rows.read_port()
        select_width = (config.weights_per_row - 1).bit_length()
        select = Signal(max(1, select_width), reset_less=True)
        held_row = Signal(bits_for_index(config.weight_depth), reset_less=True)
        held = Signal()
        row = self.index[select_width:]
        m.d.comb += [
            self.row_read.eq(self.index_en & ~(held & (held_row == row))),
            row_read.addr.eq(row),
            row_read.en.eq(self.row_read),
            row_write.addr.eq(self.load_row_addr),
            row_write.data.eq(self.load_row),
            row_write.en.eq(self.load_row_en),
        ]
        with m.If(self.index_en):
            m.d.sync += [select.eq(self.index[:select_width] if select_width else Const(0)), held_row.eq(row), held.eq(1)]
        with m.If(self.load_row_en):
            m.d.sync += held.eq(0)  # the row in the output register may have been rewritten
        word_width = 8 * config.n_lanes
        words = Array(row_read.data[i : i + word_width] for i in range(0, config.data_width, word_width))
        m.d.comb += self.weight.eq(words[select] if select_width else Cat(row_read.data))
        return m
