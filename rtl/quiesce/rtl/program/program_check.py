"""Check of the program on its way to the cores."""

from typing import Any

from amaranth import Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from quiesce.rtl.program.crc import next_crc
from quiesce.rtl.program.packets import header_fields, payload_beats
from quiesce.spec.checksums import beats_check, header_parity
from quiesce.spec.config import CoreConfig
from quiesce.spec.isa import BARRIERS, CHECKED_HEADER, CHECKED_OPCODES

__all__ = ["ProgramCheck"]


class ProgramCheck(wiring.Component):
    """Passes on a program that is sound, and stops in front of the first header that is not.

    A header is unsound if its ``header_parity`` is wrong, and in isa.CHECKED_OPCODES if its ``check`` is not ``beats_check`` of
    the beats since the last barrier. So no packet takes effect that has another opcode, target or length than it was given, and
    nothing that was loaded is used, nor an item counted, before it has been checked.

    Latency: none. Throughput: 1 beat per cycle. Back-pressure: passed on. Reset: a program begins.

    Members
    -------
    i_beats, o_beats : stream of unsigned(data_width)
    error : Out(1)
        An unsound header waits, a cycle later; for ever, so until reset.
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        beats = stream.Signature(unsigned(config.data_width))
        super().__init__({"i_beats": In(beats), "o_beats": Out(beats), "error": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        beat = self.i_beats.payload
        fields, check = header_fields(beat), CHECKED_HEADER["check"]
        left = Signal(17)  # beats of the payload that comes
        length = payload_beats(m, self._config, fields)
        crc = Signal(check.width)
        unsound = Signal()
        taken = Signal()
        with m.If(left == 0):
            with m.If(header_parity(beat) != 0):
                m.d.comb += unsound.eq(1)
            with m.Switch(fields["opcode"]):
                with m.Case(*CHECKED_OPCODES):
                    with m.If(beat[check.bits] != crc):
                        m.d.comb += unsound.eq(1)
        m.d.comb += [
            self.o_beats.payload.eq(beat),
            self.o_beats.valid.eq(self.i_beats.valid & ~unsound),
            self.i_beats.ready.eq(self.o_beats.ready & ~unsound),
            taken.eq(self.o_beats.valid & self.o_beats.ready),
        ]
        m.d.sync += self.error.eq(self.i_beats.valid & unsound)
        with m.If(taken):
            m.d.sync += [left.eq(left - 1), crc.eq(next_crc(crc, beat, beats_check))]
            with m.If(left == 0):
                m.d.sync += left.eq(length)
                with m.Switch(fields["opcode"]):
                    with m.Case(*BARRIERS):
                        m.d.sync += crc.eq(0)
        return m
