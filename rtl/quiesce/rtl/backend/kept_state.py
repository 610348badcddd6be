"""What post-processing keeps from item to item: the sum of each output, and its value as it was sent last."""

from typing import Any

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.lib.bits import bits_for_index
from quiesce.rtl.lib.checked_ram import join_status, make_ram, status_ports
from quiesce.rtl.lib.layouts import pass_layout
from quiesce.spec.config import CoreConfig

__all__ = ["SENT_FIELDS", "KeptSums", "SentValues"]

SENT_FIELDS = ("out_delta", "gated", "delta_threshold", "state_row")
"""Pass fields of SentValues."""


class KeptSums(wiring.Component):
    """Adds the sums of a chunk to those kept, which they replace. Three steps, in cycles of their own, each of a later chunk
    beside the next of an earlier one: one row is read and one written per cycle.

    Members
    -------
    start, state_row : pulse; the next chunk has this row, each further one the next
    cut : a chunk comes; ``step``: rows that it has, one, none, or many that it stands for; ``reads``: the kept sums of its row
        are added; ``writes``: and replaced
    add, exists : its ``psums`` are there, of the units that exist
    store : ``sums``, valid from the cycle after ``add`` until the next one, are written
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        sums = data.ArrayLayout(signed(config.acc_width), config.post_units)
        super().__init__(
            {
                "start": In(1),
                "state_row": In(16),
                "cut": In(1),
                "step": In(16),
                "reads": In(1),
                "writes": In(1),
                "add": In(1),
                "exists": In(config.post_units),
                "psums": In(sums),
                "store": In(1),
                "sums": Out(sums),
                **status_ports(config.ram_check),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        m.submodules.kept = kept = make_ram(config.ram_check, self.sums.shape(), config.state_rows)
        join_status(m, self, [kept])
        row = Signal(bits_for_index(config.state_rows), reset_less=True)
        rows = [Signal.like(row, name=f"row_{step}") for step in ("cut", "add")]
        reads = Signal()
        writes = Signal(2)
        with m.If(self.start):
            m.d.sync += row.eq(self.state_row)
        with m.Elif(self.cut):
            m.d.sync += row.eq(row + self.step)
        with m.If(self.cut):
            m.d.sync += [reads.eq(self.reads), writes[0].eq(self.writes), rows[0].eq(row)]
        with m.If(self.add):
            m.d.sync += [writes[1].eq(writes[0]), rows[1].eq(rows[0])]
        m.d.comb += [
            kept.read_en.eq(self.cut & self.reads),
            kept.read_addr.eq(row),
            kept.write_en.eq(self.store & writes[1]),
            kept.write_addr.eq(rows[1]),
            kept.write_data.eq(self.sums),
        ]
        for unit, register in enumerate(_unit_registers(m, self.sums, "sum")):
            with m.If(self.add & self.exists[unit]):
                m.d.sync += register.eq(self.psums[unit] + Mux(reads, kept.read_data[unit], 0))
        return m


class SentValues(wiring.Component):
    """Compares the values of a chunk with what was sent last: what goes out are changes or values, see `isa.PASS_FIELDS`::

        change = value - sent                                                         sent = 0 in the first item of a stream
        sends  = not gated, or the first item, or |change| > delta_threshold          then value becomes sent
        out    = change if it is sent, else 0 with out_delta; otherwise sent

    Two steps, in cycles of their own, as of KeptSums: one chunk per cycle.

    Members
    -------
    start : pulse; the next chunk has row ``state_row``, each further one the next
    config : stable during a pass
    fresh : stable likewise; the item is the first of a stream
    fetch : a chunk comes; ``step``: rows that it has; ``uses``: its row is read, and written
    en, exists : its ``values`` are there, of the units that exist
    out : valid from the cycle after ``en`` until the next one
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "start": In(1),
                "config": In(pass_layout(*SENT_FIELDS)),
                "fresh": In(1),
                "fetch": In(1),
                "step": In(16),
                "uses": In(1),
                "en": In(1),
                "exists": In(config.post_units),
                "values": In(data.ArrayLayout(signed(8), config.post_units)),
                "out": Out(data.ArrayLayout(signed(config.operand_width), config.post_units)),
                **status_ports(config.ram_check),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        core, config = self._config, self.config
        m.submodules.sent = sent = make_ram(core.ram_check, self.values.shape(), core.state_rows)
        join_status(m, self, [sent])
        row = Signal(bits_for_index(core.state_rows), reset_less=True)
        fetched_row = Signal.like(row)
        uses = Signal()
        with m.If(self.start):
            m.d.sync += row.eq(config.state_row)
        with m.Elif(self.fetch):
            m.d.sync += row.eq(row + self.step)
        with m.If(self.fetch):
            m.d.sync += [uses.eq(self.uses), fetched_row.eq(row)]
        m.d.comb += [
            sent.read_en.eq(self.fetch & self.uses & ~self.fresh),
            sent.read_addr.eq(row),
            sent.write_en.eq(self.en & uses),
            sent.write_addr.eq(fetched_row),
        ]
        for unit, register in enumerate(_unit_registers(m, self.out, "out")):
            value, known = self.values[unit], Signal(signed(8), name=f"known_{unit}")
            change = Signal(signed(9), name=f"change_{unit}")
            sends = Signal(name=f"sends_{unit}")
            m.d.comb += [
                known.eq(Mux(self.fresh, 0, sent.read_data[unit])),
                change.eq(value - known),
                sends.eq(~config.gated | self.fresh | (abs(change) > config.delta_threshold)),
                sent.write_data[unit].eq(Mux(sends, value, known)),
            ]
            with m.If(self.en & self.exists[unit]):
                kept = Mux(uses & ~sends, known, value)
                m.d.sync += register.eq(Mux(uses & config.out_delta, Mux(sends, change, 0), kept))
        return m


def _unit_registers(m: Module, output: data.View, name: str) -> list[Signal]:
    """A register without reset for each unit, which ``output`` shows."""
    registers = [Signal(output.shape().elem_shape, reset_less=True, name=f"{name}_{unit}") for unit in range(len(output))]
    m.d.comb += [output[unit].eq(register) for unit, register in enumerate(registers)]
    return registers
