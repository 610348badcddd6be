"""One core of a cluster: everything between the AXI4 master and the program."""

from typing import Any

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from quiesce.rtl.backend.touched_rows import TouchedRows
from quiesce.rtl.backend.winners import Winners
from quiesce.rtl.bus.axi import AXI4Signature, connect_half
from quiesce.rtl.bus.interfaces import Burst
from quiesce.rtl.core.counting import count_activity
from quiesce.rtl.core.parts import Parts, make_parts
from quiesce.rtl.lib.checked_ram import join_status, status_ports
from quiesce.rtl.lib.layouts import connect_all, connect_fields
from quiesce.rtl.register_ports import RegisterSignature
from quiesce.spec.config import CoreConfig
from quiesce.spec.registers import ErrorCode

__all__ = ["Core"]


class Core(wiring.Component):
    """Executes a program: sequencer, activation reader, scanner, PE array, drain, post-processing, encoder, counters.

    A core that is alone adds its counters to the set of a pass's layer when the pass ends; one of several does so at barriers
    only, which are in the same cycles for all.

    Members
    -------
    axi : memory
    i_program : packets to execute
    program_request, program_data : a client of the read DMA, behind the activations
    start : pulse, clear counters and, unless the program goes on with a stream, accumulators, and run the program
    finished : level, all items are done (or there are none)
    halt : issue no more bus transactions, finish those begun
    bus_idle : no transaction is under way
    error : registers.ErrorCode, level until reset
    idle : all packets have been executed, and their passes are done
    progress : pulse, the program moves on
    registers : see RegisterSignature; ``counter_select`` within this core. The parts of the program are not for it
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        beats = stream.Signature(unsigned(config.data_width))
        super().__init__(
            {
                "axi": Out(AXI4Signature(config.addr_width, config.data_width)),
                "i_program": In(beats),
                "program_request": In(stream.Signature(Burst)),
                "program_data": Out(beats),
                "start": In(1),
                "finished": Out(1),
                "halt": In(1),
                "bus_idle": Out(1),
                "error": Out(8),
                "idle": Out(1),
                "progress": Out(1),
                "registers": In(RegisterSignature()),
                **status_ports(config.ram_check),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        parts = make_parts(m, self._config)
        join_status(m, self, parts.with_rams)
        clear = self.start
        if self._config.state_depth:  # an item leaves them as the next one needs them, in the same run or another
            clear = self.start & ~parts.items.follows
        clearing = Signal()
        m.d.comb += parts.drain.clear.eq(clear)
        m.d.sync += clearing.eq(clear | (clearing & ~parts.drain.done))
        self._connect_memory(m, parts)
        self._connect_program(m, parts)
        self._connect_passes(m, parts, clearing)
        self._connect_front(m, parts)
        self._connect_back(m, parts)
        if parts.winners is not None:
            self._connect_winners(m, parts, parts.winners)
        if self._config.state_depth:
            self._connect_state(m, parts)
        self._connect_registers(m, parts, clearing)
        self._report_errors(m, parts)
        count_activity(m, self._config, parts, self.finished)
        return m

    def _connect_memory(self, m: Module, parts: Parts) -> None:
        """Clients of the bus: activations before the program; the encoder's in their order."""
        read_dma, write_dma, reader, encoder = parts.read_dma, parts.write_dma, parts.reader, parts.encoder
        connect(m, reader.request, read_dma.request_0)
        connect(m, read_dma.data_0, reader.data)
        connect(m, flipped(self.program_request), read_dma.request_1)
        connect(m, read_dma.data_1, flipped(self.program_data))
        for i in range(encoder.N_CLIENTS):
            connect(m, getattr(encoder, f"request_{i}"), getattr(write_dma, f"request_{i}"))
            connect(m, getattr(encoder, f"beats_{i}"), getattr(write_dma, f"data_{i}"))
        for dma in (read_dma, write_dma):
            m.d.comb += [
                dma.region_base.eq(self.registers.region_base),
                dma.region_size.eq(self.registers.region_size),
                dma.halt.eq(self.halt),
            ]
            m.d.comb += connect_half(self.axi, dma.axi)

    def _connect_program(self, m: Module, parts: Parts) -> None:
        """From packets to passes, weights and parameters."""
        sequencer, array, post = parts.sequencer, parts.array, parts.post
        connect(m, flipped(self.i_program), sequencer.i_beats)
        connect(m, sequencer.load, array.load)
        m.d.comb += [
            array.load_pe.eq(sequencer.load_pe),
            post.param_en.eq(sequencer.param_en),
            post.param_chan.eq(sequencer.param_chan),
            post.param_data.eq(sequencer.param_data),
            sequencer.counters_ready.eq(~parts.counters.busy),
            sequencer.taken.eq(parts.control.array_start),
            sequencer.passes_done.eq(parts.control.idle),
            sequencer.params_ready.eq(~parts.control.back_lags),
            sequencer.item_ready.eq(parts.items.ready),
        ]

    def _connect_passes(self, m: Module, parts: Parts, clearing: Signal) -> None:
        """Beginnings and ends of passes in each part, and what these wait for."""
        control, stages, items, tracker, sequencer = parts.control, parts.stages, parts.items, parts.tracker, parts.sequencer
        for part, source in parts.settings:
            connect_fields(m.d.comb, part.config, source)
        connect_all(m.d.comb, stages.positions, sequencer.positions)
        m.d.comb += [
            control.described.eq(sequencer.described),
            control.offered.eq(sequencer.offered),
            control.writes.eq(sequencer.config.drain),
            control.ready.eq(~clearing),
            control.counters_ready.eq(~parts.counters.busy),
            control.scanned.eq(parts.scanner.scanned),
            control.back_done.eq(parts.encoder.done),
            control.written.eq(parts.write_dma.idle),
            control.older_done.eq(tracker.older_done),
            stages.offered.eq(sequencer.config),
            stages.reader_start.eq(control.reader_start),
            stages.front_start.eq(control.front_start),
            stages.array_start.eq(control.array_start),
            stages.back_start.eq(control.back_start),
            stages.input_offset.eq(items.input_offset),
            stages.output_offset.eq(items.output_offset),
            items.start.eq(self.start),
            items.item_end.eq(sequencer.item_end),
            items.back_start.eq(control.back_start),
            items.back_waits.eq(control.back_waits),
            items.complete.eq(control.complete),
            items.older_done.eq(tracker.older_done),
            tracker.start.eq(control.back_start),
            tracker.rows_handed.eq(parts.encoder.rows_handed),
            tracker.open_bursts.eq(parts.write_dma.open_bursts),
            tracker.answered.eq(parts.write_dma.answered),
        ]

    def _connect_front(self, m: Module, parts: Parts) -> None:
        """From memory to the array. What a part is given at its start is there one cycle later."""
        control, reader, scanner, array, drain = parts.control, parts.reader, parts.scanner, parts.array, parts.drain
        stages, tracker = parts.stages, parts.tracker
        reader_begins = Signal()
        front_begins = Signal()
        array_begins = Signal()
        m.d.sync += [
            reader_begins.eq(control.reader_start), front_begins.eq(control.front_start), array_begins.eq(control.array_start),
        ]  # fmt: skip
        rows_done = Signal(16)
        with m.If(control.array_start | array.row_done):
            m.d.sync += rows_done.eq(Mux(control.array_start, 0, rows_done + array.row_done))
        m.d.comb += [
            reader.start.eq(reader_begins),
            control.reader_done.eq(reader.done & ~reader_begins),
            reader.rows_written.eq(Mux(control.behind, tracker.rows, 0)),
            reader.all_written.eq(Mux(control.behind, control.complete, tracker.older_done)),
            scanner.start.eq(front_begins),
            scanner.dense.eq(self.registers.dense),
            scanner.drained.eq(Mux(control.ahead | array_begins, 0, drain.rows)),
            scanner.release.eq(~control.ahead),
            scanner.exists.eq(stages.exists),
            array.dense.eq(self.registers.dense),
            drain.start.eq(array_begins),
            drain.rows_done.eq(rows_done),
            control.array_done.eq(array.idle & drain.done & (rows_done == stages.array.n_rows)),
        ]
        connect_all(m.d.comb, (*scanner.dr, *scanner.dc, *array.offset), (*stages.dr, *stages.dc, *stages.offset))
        connect(m, scanner.buffers, reader.buffers)
        connect(m, scanner.o_events, array.i_events)

    def _connect_back(self, m: Module, parts: Parts) -> None:
        """From the array to memory."""
        array, drain, post, encoder = parts.array, parts.drain, parts.post, parts.encoder
        back_begins = Signal()
        m.d.sync += back_begins.eq(parts.control.back_start)
        m.d.comb += [
            array.drain.eq(drain.drain),
            array.drain_addr.eq(drain.addr),
            drain.grant.eq(array.drain_grant),
            drain.drained.eq(array.drained),
            *(part.start.eq(back_begins) for part in parts.back),
        ]
        connect(m, drain.o_psums, post.i_psums)
        connect(m, post.o_chunks, encoder.i_chunks)

    def _connect_winners(self, m: Module, parts: Parts, winners: Winners) -> None:
        """Maxima of what goes to the encoder, and marks for the scanner."""
        scanner, control, chunks = parts.scanner, parts.control, parts.post.o_chunks
        m.d.comb += [
            winners.taken.eq(chunks.valid & chunks.ready),
            winners.chunk.eq(chunks.payload),
            winners.mark_en.eq(scanner.buffers.mask_en),
            winners.mark_row.eq(scanner.mark_row),
            scanner.marks.eq(winners.marks),
            # A ranking that the scanned pass itself has begun is not one that it waits for.
            scanner.ranked.eq(~winners.pending | (control.back_current & ~control.ahead)),
            control.back_done.eq(parts.encoder.done & ~winners.pending),
        ]

    def _connect_state(self, m: Module, parts: Parts) -> None:
        """What an item has to do with the one before."""
        items, stages, post, drain, scanner = parts.items, parts.stages, parts.post, parts.drain, parts.scanner
        m.submodules.touched_rows = touched = TouchedRows()
        given = scanner.o_events.valid & scanner.o_events.ready
        row_end = scanner.o_events.payload.event.row_end
        m.d.comb += [
            items.continues.eq(self.registers.continues),
            items.delta_threshold.eq(self.registers.delta_threshold),
            stages.fresh.eq(items.fresh),
            stages.least_threshold.eq(items.least_threshold),
            stages.recheck.eq(items.recheck),
            post.fresh.eq(stages.back_fresh),
            post.recheck.eq(stages.back_recheck),
            touched.start.eq(drain.start),
            touched.drains.eq(stages.array.drain),
            touched.event.eq(given & ~row_end),
            touched.row_end.eq(given & row_end),
            touched.last_row.eq(scanner.last_row),
            touched.drained.eq(drain.rows),
            drain.known.eq(touched.known),
            drain.clean.eq(touched.clean),
            drain.may_skip.eq(stages.array.in_delta & stages.array.out_delta & ~stages.array_recheck),
        ]

    def _connect_registers(self, m: Module, parts: Parts, clearing: Signal) -> None:
        """What the host sees and sets, errors left out."""
        control, items, sequencer, counters = parts.control, parts.items, parts.sequencer, parts.counters
        m.d.comb += [
            items.input_stride.eq(self.registers.input_stride),
            items.output_stride.eq(self.registers.output_stride),
            self.registers.items_done.eq(items.items_done),
            self.finished.eq(
                (self.registers.items_done == self.registers.n_items)
                & ~control.running
                & ~counters.busy
                & ~self.start
                & ~clearing
            ),
            self.bus_idle.eq(parts.read_dma.idle & parts.write_dma.idle),
            self.idle.eq(sequencer.idle & control.idle & items.ready),
            self.progress.eq(sequencer.progress | control.pass_end | sequencer.item_end),
            counters.clear.eq(self.start),
            counters.flush.eq((control.pass_end if self._config.n_cores == 1 else 0) | sequencer.flush),
            counters.layer.eq(Mux(control.pass_end, parts.stages.array.layer, sequencer.flush_layer)),
            counters.select.eq(self.registers.counter_select),
            self.registers.counter_value.eq(counters.value),
        ]

    def _report_errors(self, m: Module, parts: Parts) -> None:
        """The first of those that stand, in this order."""
        read_dma, write_dma = parts.read_dma, parts.write_dma
        errors = [
            (parts.sequencer.bad_packet, ErrorCode.BAD_PACKET),
            (read_dma.error_bounds | write_dma.error_bounds, ErrorCode.BOUNDS),
            (read_dma.error_bus, ErrorCode.BUS_READ),
            (write_dma.error_bus, ErrorCode.BUS_WRITE),
        ]
        if self._config.record_check:
            errors.append((parts.reader.damaged, ErrorCode.RECORD_CHECK))
        if self._config.ram_check:
            damaged = Signal()
            with m.If(self.ram_status.error):
                m.d.sync += damaged.eq(1)
            errors.insert(0, (damaged, ErrorCode.RAM_CHECK))
        for condition, code in reversed(errors):
            with m.If(condition):
                m.d.comb += self.error.eq(code)
