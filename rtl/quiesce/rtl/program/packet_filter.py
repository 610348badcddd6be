"""What a core takes of the program that all cores share."""

from typing import Any

from amaranth import Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.program.packets import header_fields, payload_beats
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import BARRIERS, Opcode

__all__ = ["PacketFilter"]


class PacketFilter(wiring.Component):
    """Passes on the packets that core ``index`` executes, and holds barriers until all cores have reached them.

    CORES selects the cores of the packets behind it and is passed to none. WAIT and ITEM_END are for all cores, whatever was
    selected, and end a selection. Other packets are dropped in cores that are not selected; of an unknown opcode only the header
    is, for its length is unknown, and those that execute it stop the program.

    Latency: none. Throughput: 1 beat per cycle, one for each CORES. Reset: all control state; all cores are selected.

    Members
    -------
    i_beats, o_beats : the program; ``valid`` of a barrier depends on ``release``
    idle : In(1)
        The core has done all that it was passed.
    at_barrier : Out(1)
        A barrier is offered, and all before it is done.
    release : In(1)
        All cores are at the barrier: pass it on. The core takes it in the same cycle.
    bad_packet : Out(1)
        A CORES that selects no core, or one that does not exist; sticky until reset.
    """

    def __init__(self, config: CoreConfig, index: int):
        self._config, self._index = config, index
        beats = stream.Signature(unsigned(config.data_width))
        super().__init__({
            "i_beats": In(beats),
            "o_beats": Out(beats),
            "idle": In(1),
            "at_barrier": Out(1),
            "release": In(1),
            "bad_packet": Out(1),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        beat = self.i_beats.payload
        fields = header_fields(beat)
        selected = Signal(init=1)
        passing = Signal()  # the packet whose payload comes is for this core
        left = Signal(17)  # beats of its payload
        length = payload_beats(m, self._config, fields)
        wanted = Signal()
        m.d.comb += [
            self.o_beats.payload.eq(beat),
            self.o_beats.valid.eq(self.i_beats.valid & wanted),
            self.i_beats.ready.eq(self.o_beats.ready | ~wanted),
        ]

        with m.If(left != 0):
            m.d.comb += wanted.eq(passing)
            with m.If(self.i_beats.valid & self.i_beats.ready):
                m.d.sync += left.eq(left - 1)
        with m.Else():
            m.d.comb += wanted.eq(selected)
            with m.If(self.i_beats.valid & self.i_beats.ready):
                m.d.sync += [left.eq(length), passing.eq(wanted)]
            with m.Switch(fields["opcode"]):
                with m.Case(Opcode.CORES):
                    m.d.comb += wanted.eq(0)
                    with m.If(self.i_beats.valid):
                        m.d.sync += selected.eq(fields["dest"].bit_select(self._index, 1))
                        with m.If((fields["dest"] == 0) | fields["dest"][self._config.n_cores :].any()):
                            m.d.sync += self.bad_packet.eq(1)
                with m.Case(*BARRIERS):
                    m.d.comb += [
                        wanted.eq(1),
                        self.at_barrier.eq(self.i_beats.valid & self.idle),
                        self.o_beats.valid.eq(self.release),
                        self.i_beats.ready.eq(self.release & self.o_beats.ready),
                    ]
                    with m.If(self.release):
                        m.d.sync += selected.eq(1)
        return m
