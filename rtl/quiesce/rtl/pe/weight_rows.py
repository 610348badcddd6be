"""Packed weights of one PE."""

from typing import Any

from amaranth import Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.lib.bits import bits_for_index
from quiesce.rtl.lib.checked_ram import join_status, make_ram, status_ports
from quiesce.rtl.pe.interfaces import row_load
from quiesce.rtl.pe.weight_select import WeightSelect
from quiesce.spec.config import CoreConfig

__all__ = ["WeightRows"]


class WeightRows(wiring.Component):
    """A memory of rows of packed weights with one read and one write port.

    Latency: one cycle. Throughput: one weight word per cycle. A row is read from the memory only when the wanted weight is not
    in the row last read, so walking packed weights costs one access per row.

    Members
    -------
    weight_log2 : log2 of 8 / bits of a stored weight (see WeightSelect); stable during a pass
    en, index : read a packed weight word; ``weight`` holds its lanes, 8 bits each, from the next cycle on
    row_read : a row is read from the memory this cycle (for the counters)
    load : write a row, see row_load
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "en": In(1),
                "weight_log2": In(2),
                "index": In(config.weight_index_width),
                "weight": Out(8 * config.n_lanes),
                "row_read": Out(1),
                "load": In(row_load(config)),
                **status_ports(config.ram_check),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        m.submodules.select = select = WeightSelect(config)
        m.submodules.rows = rows = make_ram(config.ram_check, unsigned(config.data_width), config.weight_depth)
        word = Signal(len(select.word), reset_less=True)
        held = Signal()  # the row last read is still as it was
        held_row = Signal(bits_for_index(config.weight_depth), reset_less=True)
        wanted_row = Signal.like(held_row)
        with m.Switch(self.weight_log2):
            for weight_log2, bits in enumerate((8, 4, 2)):
                with m.Case(weight_log2):
                    m.d.comb += wanted_row.eq(self.index >> (config.words_per_row(bits) - 1).bit_length())
        m.d.comb += [
            self.row_read.eq(self.en & ~(held & (held_row == wanted_row))),
            rows.read_addr.eq(wanted_row),
            rows.read_en.eq(self.row_read),
            rows.write_addr.eq(self.load.row_addr),
            rows.write_data.eq(self.load.row),
            rows.write_en.eq(self.load.row_en),
        ]
        with m.If(self.en):
            m.d.sync += [word.eq(self.index), held_row.eq(wanted_row), held.eq(1)]
        with m.If(self.load.row_en):
            m.d.sync += held.eq(0)  # the row in the output register may have been rewritten
        m.d.comb += [
            select.packed.eq(rows.read_data),
            select.weight_log2.eq(self.weight_log2),
            select.word.eq(word),
            self.weight.eq(select.weight),
        ]
        join_status(m, self, [rows])
        return m
