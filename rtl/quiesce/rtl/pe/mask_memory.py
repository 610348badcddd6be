"""Weight-mask words of one PE."""

from typing import Any

from amaranth import Array, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.lib.bits import bits_for_index
from quiesce.rtl.lib.checked_ram import join_status, make_ram, status_ports
from quiesce.rtl.pe.interfaces import mask_entry_layout, mask_load
from quiesce.spec.arithmetic import ceil_div
from quiesce.spec.config import CoreConfig

__all__ = ["MaskMemory"]


class MaskMemory(wiring.Component):
    """As many banks as a beat has mask words, so that a beat of them is written at once; a read is that of one bank.

    Latency: one cycle. Throughput: one word per cycle.

    Members
    -------
    en, addr : read a mask word; ``mask`` holds it from the next cycle until the next read
    load : write a beat of mask entries, see mask_load
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "en": In(1),
                "addr": In(bits_for_index(config.mask_depth)),
                "mask": Out(mask_entry_layout(config)),
                "load": In(mask_load(config)),
                **status_ports(config.ram_check),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        entry = mask_entry_layout(config)
        n_banks = config.data_width // config.mask_width
        bank_bits = n_banks.bit_length() - 1
        held_bank = Signal(range(max(2, n_banks)), reset_less=True)
        banks = []
        for bank in range(n_banks):
            m.submodules[f"bank_{bank}"] = mem = make_ram(config.ram_check, entry, ceil_div(config.mask_depth, n_banks))
            m.d.comb += [
                mem.read_addr.eq(self.addr[bank_bits:]),
                mem.read_en.eq(self.en & (self.addr[:bank_bits] == bank)),
                mem.write_addr.eq(self.load.mask_addr),
                mem.write_data.eq(self.load.mask[bank]),
                mem.write_en.eq(self.load.mask_en),
            ]
            banks.append(mem)
        with m.If(self.en):
            m.d.sync += held_bank.eq(self.addr[:bank_bits])
        m.d.comb += self.mask.eq(Array(bank.read_data.as_value() for bank in banks)[held_bank])
        join_status(m, self, banks)
        return m
