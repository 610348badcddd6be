"""One stream for several takers."""

from typing import Any

from amaranth import Cat, Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from quiesce.rtl.lib.checked_ram import join_status, status_ports
from quiesce.rtl.lib.ram_fifo import RamFifo
from quiesce.spec.config import CoreConfig

__all__ = ["Broadcast"]


class Broadcast(wiring.Component):
    """Every beat goes to every output, each of which may run ahead of the slowest one by as many beats as its FIFO holds.

    Latency: 2 cycles. Throughput: 1 beat per cycle. Back-pressure: a full FIFO stalls the input once all others have taken the
    beat. Reset: all control state; FIFOs empty.

    Members
    -------
    i_beats : In(stream of unsigned(data_width))
    o_beats_0 .. o_beats_{n_outputs - 1} : Out(stream of unsigned(data_width))
    """

    DEPTH = 64  # a pass description and some more: a core behind a pass of its own does not hold up the others at once

    def __init__(self, config: CoreConfig, n_outputs: int):
        self._n_outputs, self._check = n_outputs, config.ram_check
        beats = stream.Signature(unsigned(config.data_width))
        outputs = {f"o_beats_{i}": Out(beats) for i in range(n_outputs)}
        super().__init__({"i_beats": In(beats), **outputs, **status_ports(config.ram_check)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        beat = self.i_beats
        fifos = [RamFifo(len(beat.payload), self.DEPTH, check=self._check) for _ in range(self._n_outputs)]
        join_status(m, self, fifos)
        taken = Signal(self._n_outputs)  # of the beat offered
        room = Cat(fifo.i_words.ready for fifo in fifos)
        m.d.comb += beat.ready.eq((taken | room).all())
        with m.If(beat.valid):
            m.d.sync += taken.eq(~beat.ready.replicate(self._n_outputs) & (taken | room))
        for i, fifo in enumerate(fifos):
            m.submodules[f"fifo_{i}"] = fifo
            m.d.comb += [fifo.i_words.payload.eq(beat.payload), fifo.i_words.valid.eq(beat.valid & ~taken[i])]
            connect(m, fifo.o_words, flipped(getattr(self, f"o_beats_{i}")))
        return m
