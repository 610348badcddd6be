"""Table of what each input column contributes, filled at the start of a pass."""

from typing import Any

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.frontend.axis import AXIS_CONFIG, Axis, axis_entry_layout
from quiesce.rtl.lib.bits import bits_for_index
from quiesce.rtl.lib.checked_ram import join_status, make_ram, status_ports
from quiesce.spec.config import CoreConfig

__all__ = ["ColumnTable"]


class ColumnTable(wiring.Component):
    """Lets the detector jump to any column: a division by the stride would not fit a cycle.

    Takes ``n_cols`` cycles after ``start`` to fill, while the first activations are on their way from memory. Reads take one
    cycle, and ``entry`` is held until the next read.
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "start": In(1),
                "config": In(AXIS_CONFIG),
                "n_cols": In(16),
                "ready": Out(1),
                "en": In(1),
                "col": In(bits_for_index(config.max_cols)),
                "entry": Out(axis_entry_layout(config)),
                **status_ports(config.ram_check),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.axis = axis = Axis(self._config)
        m.submodules.table = table = make_ram(self._config.ram_check, axis_entry_layout(self._config), self._config.max_cols)
        join_status(m, self, [table])
        col = Signal(16)
        filling = col != self.n_cols
        m.d.comb += [
            axis.start.eq(self.start),
            axis.config.eq(self.config),
            axis.advance.eq(filling),
            table.write_en.eq(filling & axis.ready),
            table.write_addr.eq(col),
            table.write_data.eq(axis.entry),
            table.read_en.eq(self.en),
            table.read_addr.eq(self.col),
            self.entry.eq(table.read_data),
            self.ready.eq(~filling & ~self.start),
        ]
        with m.If(self.start):
            m.d.sync += col.eq(0)
        with m.Elif(filling & axis.ready):
            m.d.sync += col.eq(col + 1)
        return m
