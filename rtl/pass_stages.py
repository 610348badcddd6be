"""The descriptions of the passes under way, one for each part of a core."""

from amaranth import Const, Module, Mux, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.events import acc_addr_width
from quiesce.rtl.layouts import connect_fields, pass_layout
from quiesce.rtl.sequencer import ALL_FIELDS, positions_layout
from quiesce.sw.config import CoreConfig
from quiesce.sw.isa import Region

__all__ = ["PassStages"]


class PassStages(wiring.Component):
    """Copies of what each part needs: the front and the array from the pass offered, the back from the array.

    Each output is valid from the cycle after its ``*_start`` until the next one. The offsets of inputs and outputs are those of
    the item.

    Parameters
    ----------
    front_fields, array_fields, back_fields : tuple of str
        Pass fields of each part.

    Members
    -------
    offered, positions : the pass that the sequencer offers
    front_start, array_start, back_start : see PassControl
    input_offset, output_offset : of the item, bytes
    front, array, back : fields of the parts
    exists, dr, dc : position table of the front; ``exists`` has a bit for each position in use
    offset : position table of the array
    """

    def __init__(
        self, config: CoreConfig, front_fields: tuple[str, ...], array_fields: tuple[str, ...], back_fields: tuple[str, ...]
    ):
        self._config = config
        displacements = data.ArrayLayout(signed(8), config.mask_width)
        super().__init__(
            {
                "offered": In(pass_layout(*ALL_FIELDS)),
                "positions": In(positions_layout(config)),
                "front_start": In(1),
                "array_start": In(1),
                "back_start": In(1),
                "input_offset": In(32),
                "output_offset": In(32),
                "front": Out(pass_layout(*dict.fromkeys((*front_fields, "n_positions")))),
                "array": Out(pass_layout(*dict.fromkeys((*array_fields, *back_fields)))),
                "back": Out(pass_layout(*back_fields)),
                "exists": Out(config.mask_width),
                "dr": Out(displacements),
                "dc": Out(displacements),
                "offset": Out(data.ArrayLayout(acc_addr_width(config), config.mask_width)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        width, offered = self._config.mask_width, self.offered
        m.d.comb += self.exists.eq((Const(1, width + 1) << self.front.n_positions[: width.bit_length()]) - 1)
        with m.If(self.front_start):
            connect_fields(m.d.sync, self.front, offered)
            in_offset = offered.in_offset + Mux(offered.in_region == Region.INPUT, self.input_offset, 0)
            m.d.sync += [self.front.in_offset.eq(in_offset), self.dr.eq(self.positions.dr), self.dc.eq(self.positions.dc)]
        with m.If(self.array_start):
            connect_fields(m.d.sync, self.array, offered)
            out_offset = offered.out_offset + Mux(offered.out_region == Region.OUTPUT, self.output_offset, 0)
            m.d.sync += [self.array.out_offset.eq(out_offset), self.offset.eq(self.positions.offset)]
        with m.If(self.back_start):
            connect_fields(m.d.sync, self.back, self.array)
        return m
