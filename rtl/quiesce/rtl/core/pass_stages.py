"""The descriptions of the passes under way, one for each part of a core."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.lib.layouts import pass_layout, registers
from quiesce.rtl.pe.interfaces import acc_addr_width
from quiesce.rtl.program.sequencer import ALL_FIELDS, position_layout
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import Region

__all__ = ["PassStages"]


class PassStages(wiring.Component):
    """Copies of what each part needs: the reader, the front and the array from the sequencer's pass, the back from the array.

    Each output is valid from the cycle after its ``*_start`` until the next one. The offsets of inputs and outputs are those of
    the item.

    Parameters
    ----------
    reader_fields, front_fields, array_fields, back_fields : tuple of str
        Pass fields of each part.

    Members
    -------
    offered, positions : the pass that the sequencer has
    reader_start, front_start, array_start, back_start : see PassControl
    input_offset, output_offset : of the item, bytes
    least_threshold, fresh, recheck : of the item, see ItemControl; with state between items only
    array_recheck, back_fresh, back_recheck : of the item of the pass of array and back, likewise
    reader, front, array, back : fields of the parts
    exists, dr, dc : position table of the front; ``exists`` has a bit for each position in use
    offset : position table of the array
    """

    def __init__(
        self, config: CoreConfig, *, reader_fields: tuple[str, ...], front_fields: tuple[str, ...],
        array_fields: tuple[str, ...], back_fields: tuple[str, ...],
    ):  # fmt: skip
        self._config = config
        width = config.mask_width
        state = {
            "least_threshold": In(8), "fresh": In(1), "recheck": In(1), "array_recheck": Out(1),
            "back_fresh": Out(1), "back_recheck": Out(1),
        }  # fmt: skip
        super().__init__(
            {
                **(state if config.state_depth else {}),
                "offered": In(pass_layout(*ALL_FIELDS)),
                "positions": In(position_layout(config)).array(width),
                "reader_start": In(1),
                "front_start": In(1),
                "array_start": In(1),
                "back_start": In(1),
                "input_offset": In(32),
                "output_offset": In(32),
                "reader": Out(pass_layout(*reader_fields)),
                "front": Out(pass_layout(*front_fields)),
                "array": Out(pass_layout(*dict.fromkeys((*array_fields, *back_fields)))),
                "back": Out(pass_layout(*back_fields)),
                "exists": Out(width),
                "dr": Out(signed(8)).array(width),
                "dc": Out(signed(8)).array(width),
                "offset": Out(acc_addr_width(config)).array(width),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        width, offered = self._config.mask_width, self.offered
        parts = ("reader", "front", "array", "back")
        reader, front, array, back = (registers(m, getattr(self, name), name) for name in parts)
        with m.If(self.reader_start):
            m.d.sync += [register.eq(offered[name]) for name, register in reader.items()]
            in_offset = offered.in_offset + Mux(offered.in_region == Region.INPUT, self.input_offset, 0)
            m.d.sync += reader["in_offset"].eq(in_offset)
        with m.If(self.front_start):
            m.d.sync += [register.eq(offered[name]) for name, register in front.items()]
        with m.If(self.array_start):
            m.d.sync += [register.eq(offered[name]) for name, register in array.items()]
            out_offset = offered.out_offset + Mux(offered.out_region == Region.OUTPUT, self.output_offset, 0)
            m.d.sync += array["out_offset"].eq(out_offset)
        with m.If(self.back_start):
            m.d.sync += [register.eq(array[name]) for name, register in back.items()]
        if self._config.state_depth:
            self._follow_item(m, array)

        self._keep(m, self.front_start, self.exists, Cat(offered.n_positions > p for p in range(width)), "exists")
        for p, entry in enumerate(self.positions):
            self._keep(m, self.front_start, self.dr[p], entry.dr, f"dr_{p}")
            self._keep(m, self.front_start, self.dc[p], entry.dc, f"dc_{p}")
            self._keep(m, self.array_start, self.offset[p], entry.offset, f"offset_{p}")
        return m

    def _follow_item(self, m: Module, array: dict[str, Signal]) -> None:
        """What the item says about state, as of the pass in the array and in the back."""
        offered, fresh, recheck = self.offered, Signal(reset_less=True), Signal(reset_less=True)
        with m.If(self.array_start):
            above = self.least_threshold > offered.delta_threshold
            m.d.sync += [
                array["delta_threshold"].eq(Mux(above, self.least_threshold, offered.delta_threshold)),
                fresh.eq(self.fresh),
                recheck.eq(self.recheck),
            ]
        m.d.comb += self.array_recheck.eq(recheck)
        self._keep(m, self.back_start, self.back_fresh, fresh, "fresh")
        self._keep(m, self.back_start, self.back_recheck, recheck, "recheck")

    @staticmethod
    def _keep(m: Module, when: Signal, output: Signal, value: Value, name: str) -> None:
        register = Signal.like(output, name=f"{name}_kept", reset_less=True)
        m.d.comb += output.eq(register)
        with m.If(when):
            m.d.sync += register.eq(value)
